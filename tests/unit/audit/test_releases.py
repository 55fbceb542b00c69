"""What an index says of releases: read without trust, kept whole, and judged by rules about releases."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import tomli

from provenv.audit.policies import combine
from provenv.audit.releases import (
    Facts,
    File,
    Spoken,
    Standing,
    facts_of_page,
    load,
    load_head,
    place,
    publishers_of,
    save,
    together,
)
from provenv.audit.verdict import Item, Question, Verdict, judge
from provenv.core.errors import InputError
from provenv.model.policy import parse_policy
from provenv.resolve.pages import version_of

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
INDEX = "https://index.example/simple"
OURS = {"kind": "GitHub", "repository": "octo/tool", "workflow": "release.yml"}


def row(name: str, **more: Any) -> dict[str, Any]:
    return {"filename": name, "upload-time": "2026-01-01T00:00:00Z", "yanked": False, **more}


def page(*rows: Mapping[str, Any], **more: Any) -> Facts:
    data = {"meta": {"api-version": "1.4"}, "name": "tool", "files": list(rows), **more}
    return facts_of_page(
        data,
        index=INDEX,
        name="Tool",
        url=f"{INDEX}/tool/",
        fetched=NOW,
        etag=None,
        version_of=version_of,
    )


def ago(**span: float) -> datetime:
    return NOW - timedelta(**span)


def released(**times: datetime | None) -> Facts:
    """Versions (``v1_0``), each with one file of that age."""
    names = {name.removeprefix("v").replace("_", "."): time for name, time in times.items()}
    return Facts(
        index=INDEX,
        name="tool",
        fetched=NOW,
        versions=tuple(names),
        files={v: (File(name=f"{v}.whl", uploaded=time),) for v, time in names.items()},
    )


def changed(facts: Facts, **more: Any) -> Facts:
    fields = {name: getattr(facts, name) for name in Facts.__annotations__}
    return Facts(**{**fields, **more})


def verdict(kind: str, keys: str, version: str = "1.0", **more: Any) -> Verdict:
    text = f'schema = 1\n[[rule]]\nid = "r"\nkind = "{kind}"\n{keys}\n'
    policies = combine([(parse_policy(tomli.loads(text), "p.toml", text=text), text)])
    facts: Facts | None = more.get("facts")
    files = more.pop("files", None)
    if files is None:
        files = dict.fromkeys(f.name for f in (facts.files.get(version, ()) if facts else ()))
    item = Item(
        name="tool",
        version=version,
        environments=("prod",),
        standing=Standing(files=files, **more),
    )
    question = Question(environments=("prod",), items=(item,), pythons=(), fetched=NOW, now=NOW)
    return judge(policies, question)


def said(found: Verdict) -> str:
    return f"{found.outcome}: {'; '.join(one.text for one in found.decisions)}"


# The page


def test_a_page_is_read_row_by_row() -> None:
    facts = page(
        row("tool-1.0-py3-none-any.whl"),
        row("tool-1.0.tar.gz", **{"upload-time": "2026-02-01T00:00:00Z"}),
        row("Tool-2.0.0-py3-none-any.whl", yanked="bad\x1b[31m\n idea", provenance="/p"),
        row("tool-3.0.tar.gz", yanked=True, **{"upload-time": "soon"}),
        row("tool.exe"),
        {"url": "no name"},
        "no row",  # type: ignore[arg-type]
        **{"project-status": {"status": "archived", "reason": "no\ttime"}},
    )
    assert facts.versions == ("1.0", "2.0.0", "3.0")
    assert facts.uploaded("1.0") == datetime(2026, 2, 1, tzinfo=UTC)
    assert facts.uploaded("3.0") is None
    assert facts.yanked == {"2.0.0": "bad[31m idea", "3.0": ""}
    assert (facts.status, facts.reason) == ("archived", "no time")
    assert facts.files["2.0.0"][0].provenance == "https://index.example/p"
    assert facts.attests


@pytest.mark.parametrize("one", ["http://elsewhere.example/p", "ftp://x/p", "https://[", 7, None])
def test_attestations_from_a_less_safe_place_are_none(one: object) -> None:
    facts = page(row("tool-1.0.tar.gz", provenance=one))
    assert facts.files["1.0"][0].provenance is None


def test_a_page_that_says_less_is_not_one_that_says_no() -> None:
    facts = page(row("tool-1.0.tar.gz"))
    assert (facts.status, facts.attests) == (None, False)


@pytest.mark.parametrize(
    ("more", "why"),
    [({"meta": {"api-version": "2.0"}}, "version 2.0"), ({"name": "other"}, "about other")],
)
def test_a_page_about_something_else_is_refused(more: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        page(row("tool-1.0.tar.gz"), **more)


# What is kept


def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    facts = page(row("tool-1.0.tar.gz", yanked="so", provenance="/p"))
    save(str(tmp_path), facts)
    assert load(str(tmp_path), INDEX + "/", "TOOL") == facts
    head = load_head(str(tmp_path), INDEX, "tool")
    assert head is not None
    assert (head.versions, head.yanked, head.files) == (("1.0",), {"1.0": "so"}, {})
    assert load(str(tmp_path), "https://other.example/simple", "tool") is None


def test_the_same_data_has_the_same_digest(tmp_path: Path) -> None:
    def told(*rows: Mapping[str, Any], at: datetime = NOW) -> Spoken:
        save(str(tmp_path), changed(page(*rows), fetched=at, etag=str(at)))
        head = load_head(str(tmp_path), INDEX, "tool")
        return together([head, None])

    one, two = row("tool-1.0.tar.gz"), row("tool-1.0-py3-none-any.whl")
    first = told(one)
    assert (first.known, first.of, first.oldest) == (1, 2, NOW)
    assert told(one, at=ago(days=1)).digest == first.digest
    assert told(one, two).digest != first.digest
    assert told({**one, "upload-time": "2026-01-02T00:00:00Z"}).digest != first.digest
    assert together([None]).digest is None


def test_a_damaged_file_counts_as_none(tmp_path: Path) -> None:
    save(str(tmp_path), page(row("tool-1.0.tar.gz", yanked="so")))
    path = Path(str(place(str(tmp_path), INDEX, "tool")))
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'"so"', b'"no"'))
    assert load_head(str(tmp_path), INDEX, "tool") is None
    for end in (0, 40, len(whole) - 5):
        path.write_bytes(whole[:end])
        assert load(str(tmp_path), INDEX, "tool") is None


@pytest.mark.parametrize("name", ["../../etc", "/etc/passwd", "", "a" * 300, "."])
def test_a_name_that_is_none_leads_nowhere(tmp_path: Path, name: str) -> None:
    assert place(str(tmp_path), INDEX, name) is None
    assert load(str(tmp_path), INDEX, name) is None


def test_publishers_without_what_changes_by_itself() -> None:
    def body(**more: Any) -> bytes:
        bundle = {"publisher": {**OURS, **more}, "attestations": [{}]}
        return json.dumps({"attestation_bundles": [bundle]}).encode()

    assert publishers_of(body()) == ("GitHub octo/tool release.yml",)
    assert publishers_of(body(environment="pypi", claims={"ref": "x"})) == publishers_of(body())
    for bad in (b"", b"[]", b"{}", b'{"attestation_bundles": []}', body(kind=None), b"[" * 90_000):
        with pytest.raises(ValueError, match=r"no provenance object|no attestation"):
            publishers_of(bad)


# Rules


@pytest.mark.parametrize(
    ("kind", "keys", "why"),
    [
        ("release-age", "", "needs it"),
        ("release-age", 'min = "7"', "no length of time"),
        ("release-age", 'min = "99999w"', "longer than a hundred years"),
        ("release-age", f'min = "{"9" * 5000}w"', "longer than a hundred years"),
        ("release-age", 'min = "7d"\nbypass = "yes"', "none of fixes-known-vulnerability"),
        ("release-age", 'min = "7d"\non-missing-timestamps = "deny"', "on-missing-timestamp"),
        ("project-status", "", "is missing"),
        ("project-status", 'deny = ["active"]', "none of archived"),
        ("version-lag", "", "max-majors"),
        ("version-lag", "max-majors = -1", "whole number"),
        ("version-lag", "max-minors = true", "whole number"),
        ("provenance", "present = false", "asks for nothing"),
        ("yanked", 'on-unknown = "fail"', "none of deny, warn, ignore"),
    ],
)
def test_a_rule_that_says_too_little_is_refused(kind: str, keys: str, why: str) -> None:
    with pytest.raises(InputError) as caught:
        verdict(kind, keys)
    assert why in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize(
    ("files", "keys", "outcome"),
    [
        ({"a": ago(days=8)}, "", "pass"),
        ({"a": ago(days=7)}, "", "pass"),
        ({"a": ago(days=7) + timedelta(seconds=1)}, "", "fail"),
        ({"a": ago(days=80), "b": ago(days=1)}, "", "fail"),  # the newest file counts
        ({"a": NOW + timedelta(days=800)}, "", "fail"),
        ({"a": ago(days=80), "b": None}, "", "inconclusive"),
        ({"a": ago(days=80), "b": None}, 'on-missing-timestamp = "deny"', "fail"),
        ({"a": ago(days=80), "b": None}, 'on-missing-timestamp = "warn"', "pass"),
        ({"a": ago(days=80), "b": None}, 'on-missing-timestamp = "ignore"', "pass"),
        ({"a": ago(days=1), "b": None}, 'on-missing-timestamp = "ignore"', "fail"),
        ({}, "", "inconclusive"),
        ({"a": ago(days=1)}, 'except = ["Tool"]', "pass"),
    ],
)
def test_release_age(files: Mapping[str, datetime | None], keys: str, outcome: str) -> None:
    facts = released(v2_0=None)
    assert (
        verdict("release-age", f'min = "7d"\n{keys}', files=files, facts=facts).outcome == outcome
    )


def test_what_no_index_was_asked_is_unknown_whatever_is_ignored() -> None:
    keys = 'min = "7d"\non-missing-timestamp = "ignore"'
    found = verdict("release-age", keys, files={"a": None})
    assert said(found).startswith("inconclusive: nobody says when 1 of 1 file came")
    direct = verdict("release-age", keys, files={}, why="it does not come from an index")
    assert direct.outcome == "pass"


def test_the_later_of_two_upload_times_counts() -> None:
    facts = released(v1_0=ago(days=1))
    assert (
        verdict("release-age", 'min = "7d"', files={"1.0.whl": ago(days=90)}, facts=facts).outcome
        == "fail"
    )


BYPASS = 'min = "7d"\nbypass = "fixes-known-vulnerability"'


def test_a_young_fix_is_let_through_and_shown() -> None:
    facts = released(v0_8=ago(days=99), v0_9=ago(days=9), v0_95=ago(days=2), v1_0=ago(days=1))
    found = verdict("release-age", BYPASS, facts=facts, fixes={"0.9": ("CVE-1",)})
    assert found.outcome == "pass"
    assert "let through: it fixes CVE-1 of 0.9" in said(found)
    to_come = {"1.0.whl": NOW + timedelta(days=1)}
    assert (
        verdict("release-age", BYPASS, files=to_come, facts=facts, fixes={"0.9": ("X",)}).outcome
        == "fail"
    )
    # what an older one had does not count, nor does a rule without the key
    assert verdict("release-age", BYPASS, facts=facts, fixes={"0.8": ("CVE-1",)}).outcome == "fail"
    assert (
        verdict("release-age", 'min = "7d"', facts=facts, fixes={"0.9": ("X",)}).outcome == "fail"
    )
    # nor does a fix of one that is yanked: nobody would be given that
    facts = changed(facts, yanked={"0.9": ""})
    assert verdict("release-age", BYPASS, facts=facts, fixes={"0.9": ("CVE-1",)}).outcome == "fail"


@pytest.mark.parametrize(
    ("facts", "keys", "outcome"),
    [
        (released(v1_0=None), "", "pass"),
        (changed(released(v1_0=None), yanked={"1.0": "broken"}), "", "fail"),
        (changed(released(v1_0=None), yanked={"1.0": ""}, fetched=ago(days=99)), "", "fail"),
        (changed(released(v1_0=None), fetched=ago(days=8)), "", "inconclusive"),
        (changed(released(v1_0=None), fetched=NOW + timedelta(days=1)), "", "inconclusive"),
        (
            changed(released(v1_0=None), fetched=ago(days=8)),
            'on-unknown = "ignore"',
            "inconclusive",
        ),
        (released(v2_0=None), "", "inconclusive"),
        (released(v2_0=None), 'on-unknown = "deny"', "fail"),
        (released(v2_0=None), 'on-unknown = "ignore"', "pass"),
        (
            changed(released(v2_0=None), fetched=ago(days=8)),
            'on-unknown = "ignore"',
            "inconclusive",
        ),
        (changed(released(), state="gone"), 'on-unknown = "warn"', "pass"),
        (changed(released(), state="silent"), "", "inconclusive"),
        (None, 'on-unknown = "ignore"', "inconclusive"),
    ],
)
def test_yanked(facts: Facts | None, keys: str, outcome: str) -> None:
    assert verdict("yanked", keys, facts=facts).outcome == outcome


@pytest.mark.parametrize(
    ("status", "keys", "outcome"),
    [
        ("active", "", "pass"),
        ("quarantined", "", "fail"),
        ("archived", "", "pass"),
        (None, "", "inconclusive"),
        (None, 'on-unknown = "ignore"', "pass"),
        (None, 'on-unknown = "deny"', "fail"),
        ("paused", "", "inconclusive"),
    ],
)
def test_project_status(status: str | None, keys: str, outcome: str) -> None:
    facts = changed(released(v1_0=None), status=status, reason="why")
    found = verdict("project-status", f'deny = ["quarantined"]\n{keys}', facts=facts)
    assert found.outcome == outcome


@pytest.mark.parametrize(
    ("version", "keys", "outcome"),
    [
        ("4.0", "max-majors = 0", "pass"),
        ("3.1", "max-majors = 0", "fail"),
        ("1.0", "max-majors = 2", "pass"),  # 2 and 4 have been released; 3 never was, but for 3.1
        ("1.0", "max-majors = 1", "fail"),
        ("2.0", "max-minors = 1", "pass"),  # 2.3.1 counts once, 2.9 is yanked, 2.10rc1 is none
        ("2.0", "max-minors = 0", "fail"),
        ("5.0", "max-majors = 0\nmax-minors = 0", "pass"),
        ("1!0.1", "max-majors = 0", "pass"),
        ("none", "max-majors = 0", "inconclusive"),
    ],
)
def test_version_lag(version: str, keys: str, outcome: str) -> None:
    listed = ("1.0", "2.0", "2.3", "2.3.1", "2.9", "2.10rc1", "3.1", "4.0", "6.0b1")
    facts = changed(released(), versions=listed, yanked={"2.9": "", "3.1": ""})
    assert verdict("version-lag", keys, version=version, facts=facts).outcome == outcome


def attested(now: Mapping[str, Any], before: Mapping[str, Any]) -> Facts:
    """1.0 and 0.9 with files, each ``None`` (no attestation) or with its publishers."""

    def files(rows: Mapping[str, Any]) -> tuple[File, ...]:
        return tuple(
            File(name=name, provenance=None if who is None else "p", publishers=who or None)
            for name, who in rows.items()
        )

    both = {"1.0": files(now), "0.9": files(before)}
    return changed(released(), attests=True, versions=("1.0", "0.9"), files=both)


A, B = ("GitHub octo/tool release.yml",), ("GitHub evil/tool release.yml",)
UNCHANGED = "publisher-unchanged = true"


@pytest.mark.parametrize(
    ("now", "before", "keys", "outcome"),
    [
        ({"a": A}, {}, "", "pass"),
        ({"a": A, "b": None}, {}, "", "fail"),
        ({"a": None}, {}, 'except = ["tool"]', "pass"),
        ({"a": A}, {"z": A}, UNCHANGED, "pass"),
        ({"a": B}, {"z": A}, UNCHANGED, "fail"),
        ({"a": B}, {"y": B, "z": A}, UNCHANGED, "pass"),
        ({"a": ("github OCTO/tool release.yml",)}, {"z": A}, UNCHANGED, "pass"),
        ({"a": A}, {"z": None}, UNCHANGED, "pass"),  # there was nobody to be changed
        ({"a": ()}, {"z": A}, UNCHANGED, "inconclusive"),  # nobody asked who it was
        ({"a": None}, {"z": None}, f"present = false\n{UNCHANGED}", "pass"),
        ({"a": None}, {"z": A}, f"present = false\n{UNCHANGED}", "fail"),
    ],
)
def test_provenance(
    now: Mapping[str, Any], before: Mapping[str, Any], keys: str, outcome: str
) -> None:
    assert verdict("provenance", keys, facts=attested(now, before)).outcome == outcome


def test_an_index_without_attestations_says_nothing_of_them() -> None:
    facts = changed(attested({"a": None}, {}), attests=False)
    assert verdict("provenance", "", facts=facts).outcome == "inconclusive"
    assert verdict("provenance", 'on-unknown = "ignore"', facts=facts).outcome == "pass"
    # a file that the index does not have is not attested by those that it has
    found = verdict("provenance", "", facts=attested({"a": A}, {}), files={"a": None, "b": None})
    assert said(found) == "inconclusive: its index does not list b"


def test_what_is_yanked_is_waived_by_version_and_for_a_time() -> None:
    text = """
[[waiver]]
rule = "r"
package = "Tool"
versions = "==1.0"
reason = "the next one breaks us"
owner = "ana"
approver = "bo"
created = 2026-11-01
expires = 2026-11-22
"""
    facts = changed(released(v1_0=None, v1_1=None), yanked={"1.0": "so", "1.1": "so"})
    found = verdict("yanked", text, facts=facts)
    assert found.outcome == "pass"
    assert found.decisions[0].waiver is not None
    assert verdict("yanked", text, version="1.1", facts=facts).outcome == "fail"
    assert verdict("yanked", text.replace("11-22", "11-21"), facts=facts).outcome == "fail"
