"""The reference page of the findings, written from the rules."""

from __future__ import annotations

import textwrap

from provenv.doctor.registry import RULES, THEMES
from provenv.doctor.rule import Rule

_WIDTH = 108
_HEAD = """\
# Findings

What `provenv doctor` looks for. Written from the code by `scripts/docs`; a test holds the two together.
`provenv doctor --explain CODE` says the same of one.

A code is never used for anything else. An *error* makes the exit code 1; a *warning* should be looked
into, a *note* is good to know. A finding may weigh less, or more, where what was seen says so.
*fix* marks what `provenv doctor --fix` mends.
"""


def findings_page() -> str:
    """The text of ``docs/reference/findings.md``."""
    parts = [_HEAD]
    for start, theme in THEMES.items():
        rules = [rule for rule in RULES if rule.code.startswith(start)]
        parts.append(f"\n## {theme}\n")
        parts += [_entry(rule) for rule in rules]
    return "".join(parts)


def _entry(rule: Rule) -> str:
    marks = rule.weight if rule.fix is None else f"{rule.weight}, fix"
    lines = [f"### {rule.code}: {rule.title}", "", *_wrapped("", f"*{marks}*: {rule.sees}"), ""]
    lines += _wrapped("- Why it hurts: ", rule.why)
    lines += _wrapped("- To mend it: ", rule.advice)
    return "\n" + "\n".join(lines) + "\n"


def _wrapped(label: str, text: str) -> list[str]:
    indent = "  " if label else ""
    return textwrap.wrap(
        label + text,
        _WIDTH,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
