"""Floor 5: what goes wrong with Python projects, shells and machines, seen before it costs a day.

Facts are gathered first (:mod:`.facts` and its neighbours), in one go and without changing anything.
Rules (:mod:`.registry`) are functions from facts to findings. What mends a finding is done above, in
``workspace``.
"""
