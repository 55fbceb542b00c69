"""Floor 4: plan + interpreter → generation; switch, history, drift.

What the hot path imports (:mod:`tree`, :mod:`looking`, :mod:`pair`, :mod:`switch`, :mod:`stamp`,
:mod:`plans`) imports nothing heavier than ``os``; :mod:`compose` and :mod:`skeleton` do the thinking
once, and write it down for them.
"""
