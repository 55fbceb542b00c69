"""What hostile bytes meet first, each reader behind one function: :mod:`fuzz.targets`.

``scripts/fuzz`` feeds them with what a coverage-guided fuzzer (atheris) makes up, from the seeds of
:mod:`fuzz.seeds`. What it finds becomes a test beside those of the module that was wrong.
"""
