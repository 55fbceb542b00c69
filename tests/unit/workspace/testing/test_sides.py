"""Of which package the output of a bad run speaks."""

from __future__ import annotations

import pytest

from provenv.workspace.testing.sides import suspect

OWNERS = {
    "flask": "flask",
    "werkzeug": "werkzeug",
    "jinja2": "jinja2",
    "attr": "attrs",
    "six": "six",
}
SITE = "/home/ana/.venv/lib/python3.13/site-packages"
IMPORT = f"""Traceback (most recent call last):
  File "{SITE}/flask/__init__.py", line 7, in <module>
  File "{SITE}/flask/app.py", line 28, in <module>
ImportError: cannot import name 'url_quote' from 'werkzeug.urls' ({SITE}/werkzeug/urls.py)
"""


@pytest.mark.parametrize(
    ("good", "bad", "among", "wanted"),
    [
        ("", IMPORT, ("flask", "werkzeug"), "werkzeug"),  # what the error names
        ("", IMPORT, ("flask",), "flask"),  # else the file in which it was raised
        ("", IMPORT, ("jinja2",), None),
        (IMPORT, IMPORT, ("flask", "werkzeug"), None),  # the good run says so, too
        ("1 passed in 0.1 s", "1 failed in 0.2 s", ("flask",), None),
        ("", "AttributeError: module 'attr' has no attribute 's'", ("attrs",), "attrs"),
        ("", f"{SITE}/six.py:10: ValueError", ("six",), "six"),
        ("", f"{SITE}/attr/a.py:1: x\n{SITE}/flask/b.py:2: y", ("attrs", "flask"), "flask"),
        ("took 1.5 s: 'flask' Error 1", "took 9.7 s: 'flask' Error 2", ("flask",), None),
    ],
)
def test_the_suspect(good: str, bad: str, among: tuple[str, ...], wanted: str | None) -> None:
    assert suspect(good, bad, OWNERS, among) == wanted
