"""Licences: which expression a release is under, and which are allowed. What is unclear is never kept."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import tomli
from packaging.licenses import canonicalize_license_expression

from provenv.audit.licences import (
    CLASSIFIERS,
    FAMILIES,
    Licence,
    normalized,
    of_metadata,
    permitted,
)
from provenv.audit.policies import combine
from provenv.audit.verdict import Item, Question, Verdict, judge
from provenv.core.errors import InputError
from provenv.model.metadata import Metadata
from provenv.model.policy import parse_policy

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
OSI = "License :: OSI Approved :: "


def under(text: str, *, several: bool = False) -> Licence:
    expression = normalized(text)
    assert expression is not None, text
    return Licence(expression=expression, several=several)


@pytest.mark.parametrize(
    ("expression", "allow", "deny", "answer"),
    [
        ("MIT", ["MIT"], [], True),
        ("mit", ["MIT"], [], True),
        ("MIT OR GPL-3.0-only", ["MIT"], [], True),
        ("MIT AND GPL-3.0-only", ["MIT"], [], False),
        ("MIT AND (GPL-3.0-only OR Apache-2.0)", ["MIT", "Apache-2.0"], [], True),
        ("(MIT AND GPL-3.0-only) OR Apache-2.0", ["MIT"], [], False),
        ("GPL-2.0-only WITH Classpath-exception-2.0", ["GPL-2.0-only"], [], False),
        (
            "GPL-2.0 WITH Classpath-exception-2.0",
            ["GPL-2.0-only WITH Classpath-exception-2.0"],
            [],
            True,
        ),
        ("GPL-2.0+", ["GPL-2.0-or-later"], [], True),
        ("GPL-2.0-or-later", ["GPL-2.0-only"], [], False),
        ("LicenseRef-Ours", ["MIT"], [], False),
        ("LicenseRef-Ours", ["LicenseRef-Ours"], [], True),
        ("MIT", [], ["GPL-3.0-only"], True),
        ("GPL-3.0", [], ["GPL-3.0-only"], False),
        ("MIT OR GPL-3.0-only", [], ["GPL-3.0-only"], True),
        ("MIT AND GPL-3.0-only", [], ["GPL-3.0-only"], False),
        ("MIT", ["MIT"], ["MIT"], False),
    ],
)
def test_expressions(expression: str, allow: list[str], deny: list[str], answer: bool) -> None:
    assert permitted(under(expression), allow, deny) is answer


def test_classifiers_do_not_say_whether_all_of_them_hold() -> None:
    both = under("MIT AND GPL-3.0-only", several=True)
    assert permitted(both, ["MIT", "GPL-3.0-only"], []) is True
    assert permitted(both, ["MIT"], []) is None
    assert permitted(both, ["ISC"], []) is False


@pytest.mark.parametrize(
    "text",
    ["", " ", "BSD", "Apache 2.0", "MIT AND", "MIT/GPL", "(((", "(" * 3000, "MIT " * 2000, "MIT\x00"],
)  # fmt: skip
def test_what_is_no_expression(text: str) -> None:
    assert normalized(text) is None
    said = of_metadata(Metadata(name="a", version="1", expression=text))
    assert said.expression is None
    assert "is no expression of SPDX" in said.reason
    assert permitted(said, [], ["GPL-3.0-only"]) is None


@pytest.mark.parametrize(
    ("given", "expression"),
    [
        ({"expression": "MIT OR ISC", "licence": "GPL-3.0-only"}, "MIT OR ISC"),  # PEP 639 first
        ({"classifiers": (f"{OSI}MIT License",)}, "MIT"),
        ({"classifiers": (f"{OSI}MIT License",), "licence": "MIT License, see LICENSE"}, "MIT"),
        ({"classifiers": (f"{OSI}MIT License", "License :: OSI Approved")}, "MIT"),
        ({"classifiers": (f"{OSI}MIT License", f"{OSI}ISC License (ISCL)")}, "ISC AND MIT"),
        ({"classifiers": (f"{OSI}BSD License",), "licence": "BSD-3-Clause"}, "BSD-3-Clause"),
        (
            {"classifiers": (f"{OSI}Apache Software License",), "licence": "Apache-2.0"},
            "Apache-2.0",
        ),
        ({"licence": "Apache-2.0 OR MIT"}, "Apache-2.0 OR MIT"),
        ({"classifiers": ("License :: Other/Proprietary License",)}, "LicenseRef-Proprietary"),
        # and what stays open
        ({}, None),
        ({"licence": "UNKNOWN"}, None),
        ({"licence": "BSD"}, None),
        ({"licence": "Permission is hereby granted, " * 500}, None),
        ({"classifiers": (f"{OSI}BSD License",)}, None),
        ({"classifiers": (f"{OSI}BSD License",), "licence": "new BSD"}, None),
        ({"classifiers": (f"{OSI}MIT License", f"{OSI}BSD License")}, None),
        ({"classifiers": ("License :: OSI Approved",)}, None),
        ({"classifiers": ("License :: Free For Home Use",)}, None),
        ({"classifiers": (f"{OSI}License of tomorrow",)}, None),
        # what contradicts itself
        ({"classifiers": (f"{OSI}MIT License",), "licence": "GPL-3.0-only"}, None),
        ({"classifiers": (f"{OSI}BSD License",), "licence": "MIT"}, None),
        ({"classifiers": ("License :: Free For Home Use",), "licence": "MIT"}, None),
        # what cannot be read
        ({"licence": "MIT", "unreadable": ("license_expression",)}, None),
    ],
)
def test_what_metadata_say(given: dict[str, Any], expression: str | None) -> None:
    said = of_metadata(Metadata(name="a", version="1", **given))
    assert said.expression == expression
    assert bool(said.reason) == (expression is None)
    assert said.several == (expression == "ISC AND MIT")


def test_the_tables_are_in_the_words_of_spdx() -> None:
    for licence in CLASSIFIERS.values():
        assert canonicalize_license_expression(licence) == normalized(licence) == licence
    assert CLASSIFIERS.keys().isdisjoint(FAMILIES)


def ask(text: str, licence: Licence | None, version: str = "1.0") -> Verdict:
    whole = f'schema = 1\n[[rule]]\nid = "r"\nkind = "licence"\n{text}\n'
    held = combine([(parse_policy(tomli.loads(whole), "p.toml", text=whole), whole)])
    one = Item(name="my-pkg", version=version, environments=("prod",), licence=licence)
    return judge(
        held, Question(environments=("prod",), items=(one,), pythons=(), fetched=None, now=NOW)
    )


UNKNOWN = Licence(expression=None, reason="its metadata name none")
GPL = Licence(expression="GPL-3.0-only")


@pytest.mark.parametrize(
    ("more", "licence", "outcome"),
    [
        ("allow = ['MIT']", Licence(expression="MIT"), "pass"),
        ("allow = ['mit']", Licence(expression="MIT"), "pass"),
        ("allow = ['MIT']", GPL, "fail"),
        ("deny = ['GPL-3.0']", GPL, "fail"),
        ("allow = ['MIT']", UNKNOWN, "inconclusive"),
        ("deny = ['MIT']", UNKNOWN, "inconclusive"),
        ("allow = ['MIT']", None, "inconclusive"),
        ("allow = ['MIT']\non-unknown = 'deny'", UNKNOWN, "fail"),
        ("allow = ['MIT']\non-unknown = 'warn'", UNKNOWN, "pass"),
        ("allow = ['MIT']\non-unknown = 'warn'", GPL, "fail"),
        ("allow = ['MIT']\npackages = { My_Pkg = 'MIT' }", UNKNOWN, "pass"),
        ("allow = ['MIT']\npackages = { 'my-pkg<2' = 'MIT' }", UNKNOWN, "pass"),
        ("allow = ['MIT']\npackages = { 'my-pkg>2' = 'MIT' }", UNKNOWN, "inconclusive"),
        ("allow = ['MIT']\npackages = { my-pkg = 'GPL-3.0-only' }", UNKNOWN, "fail"),
        ("allow = ['MIT']\npackages = { other = 'MIT' }", UNKNOWN, "inconclusive"),
    ],
)
def test_rules(more: str, licence: Licence | None, outcome: str) -> None:
    assert ask(more, licence).outcome == outcome


def test_what_is_clarified_against_its_own_word_is_shown() -> None:
    verdict = ask("allow = ['MIT']\npackages = { my-pkg = 'MIT' }", GPL)
    assert verdict.outcome == "pass"
    assert "it says GPL-3.0-only, and the rule MIT" in verdict.decisions[0].text
    odd = ask("allow = ['MIT']\npackages = { 'my-pkg<2' = 'MIT' }", UNKNOWN, version="odd")
    assert odd.outcome == "inconclusive"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("", "needs `allow` or `deny`"),
        ("allow = ['BSD']", "is no licence of SPDX's list"),
        ("allow = ['MIT OR ISC']", "more than one licence"),
        ("allow = ['MIT']\npackages = { a = 'BSD' }", "is no licence of SPDX's list"),
        ("allow = ['MIT']\npackages = { 'a[b]' = 'MIT' }", "nothing else"),
        ("allow = ['MIT']\non-unknown = 'pass'", "none of deny, warn"),
        ("allow = ['MIT']\non-unknown = 'ignore'", "one of deny, warn"),
        ("allow = ['MIT']\ndenied = ['ISC']", "unknown key"),
        ("allow = ['MIT']\ndeny = ['MIT']", "contradicts itself: MIT is allowed and denied"),
    ],
)
def test_what_a_policy_may_not_say(more: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        ask(more, GPL)
    assert said in caught.value.message
