"""Findings as JUnit XML, as CI systems draw it: a suite, a case for each thing that was looked at."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from provenv.core.values import frozen

# What XML 1.0 does not allow, section 2.2.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@frozen
class Case:
    """One case: ``failures`` (title and text each) make it fail; ``skipped`` says why it was not judged.

    ``error`` says why nobody knows what it would have come to, ``seconds`` how long it took, and
    ``output`` what it wrote.
    """

    name: str
    group: str
    failures: tuple[tuple[str, str], ...] = ()
    skipped: str | None = None
    error: str | None = None
    seconds: float | None = None
    output: str | None = None


def junit(suite: str, cases: Sequence[Case]) -> str:
    """The document."""
    top = ET.Element("testsuites")
    inner = ET.SubElement(
        top,
        "testsuite",
        name=_clean(suite),
        tests=str(len(cases)),
        failures=str(sum(bool(case.failures) for case in cases)),
        errors=str(sum(case.error is not None for case in cases)),
        skipped=str(sum(case.skipped is not None and not case.failures for case in cases)),
    )
    for case in cases:
        row = ET.SubElement(inner, "testcase", name=_clean(case.name), classname=_clean(case.group))
        if case.failures:
            title = "; ".join(title for title, _ in case.failures)
            failure = ET.SubElement(row, "failure", message=_clean(title))
            failure.text = _clean("\n".join(f"{title}\n{text}" for title, text in case.failures))
        elif case.error is not None:
            ET.SubElement(row, "error", message=_clean(case.error))
        elif case.skipped is not None:
            ET.SubElement(row, "skipped", message=_clean(case.skipped))
        if case.seconds is not None:
            row.set("time", f"{case.seconds:.3f}")
        if case.output:
            ET.SubElement(row, "system-out").text = _clean(case.output)
    ET.indent(top)
    return ET.tostring(top, encoding="unicode", xml_declaration=True) + "\n"


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
