"""Floor 4: plan + interpreter → generation; switch, history, drift.

What the hot path imports (:mod:`tree`, :mod:`switch`, :mod:`stamp`) imports nothing heavier than
``os``; :mod:`compose` and :mod:`skeleton` do the thinking once, and write it down for them.
"""
