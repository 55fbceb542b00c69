"""Matching by the letter of the OSV schema: the cases that tools get wrong, and all of the real data."""

from __future__ import annotations

import functools
import itertools
import json
import zipfile
from collections.abc import Sequence

import pytest
from packaging.version import InvalidVersion, Version

from provenv.audit.matching import answer, fixes
from provenv.model.advisory import Affected, Event, parse_advisory, version_key
from support.advisories import REAL, record

Events = Sequence[tuple[str, str]]
TWO = [("introduced", "2"), ("fixed", "2.5"), ("introduced", "0"), ("fixed", "1.5")]


def entry(*ranges: Events, versions: Sequence[str] = ()) -> Affected:
    (made,) = parse_advisory(record("T-1", ranges=ranges, versions=versions)).affected
    return made


@pytest.mark.parametrize(
    ("events", "version", "wanted"),
    [
        ([("introduced", "0"), ("fixed", "2.0")], "2.0rc1", "affected"),  # SpecifierSet says no
        ([("introduced", "0"), ("fixed", "2.0")], "2.0.dev1", "affected"),
        ([("introduced", "0"), ("fixed", "2.0")], "2.0", "unaffected"),
        ([("introduced", "0"), ("fixed", "2.0")], "2", "unaffected"),
        ([("introduced", "1.11.0"), ("fixed", "2")], "1.11.0.post1", "affected"),
        ([("introduced", "0"), ("last_affected", "1.11.0")], "1.11.0.post1", "unaffected"),
        ([("introduced", "0"), ("last_affected", "1.11.0")], "1.11", "affected"),
        ([("introduced", "1"), ("last_affected", "1")], "1.0", "affected"),
        ([("introduced", "1"), ("last_affected", "1")], "1.1", "unaffected"),
        ([("introduced", "0")], "0.dev0", "affected"),
        ([("introduced", "0.1")], "0.1.dev0", "unaffected"),
        ([("introduced", "0")], "99999!1", "affected"),
        ([("introduced", "0"), ("fixed", "1.5")], "1!0.1", "unaffected"),  # an epoch is above all
        ([("introduced", "0"), ("fixed", "1.10")], "1.9", "affected"),  # and not by text
        (TWO, "1.9", "unaffected"),
        (TWO, "1.4", "affected"),
        (TWO, "2.4", "affected"),
        ([("introduced", "0"), ("fixed", "1"), ("introduced", "1"), ("fixed", "2")], "1", "affected"),
        ([("introduced", "1"), ("fixed", "2"), ("introduced", "0"), ("fixed", "1")], "1.5", "affected"),
        ([("introduced", "0"), ("limit", "2")], "2", "unaffected"),
        ([("introduced", "0"), ("limit", "2")], "1.9", "affected"),
        ([("introduced", "0"), ("limit", "*")], "7", "affected"),
        ([], "1", "unaffected"),
        ([("fixed", "2")], "1", "unaffected"),
        # what the answer hangs on cannot be compared
        ([("introduced", "0"), ("fixed", "0.2.0-n653")], "0.1", "unclear"),
        ([("introduced", "0"), ("fixed", "0.2.0-n653"), ("fixed", "0.0.1")], "1", "unaffected"),
        ([("introduced", "one"), ("fixed", "2")], "1", "unclear"),
        ([("introduced", "one"), ("fixed", "2")], "3", "unaffected"),
    ],
)  # fmt: skip
def test_ranges(events: Events, version: str, wanted: str) -> None:
    assert answer([entry(events)], version) == wanted


@pytest.mark.parametrize(
    ("versions", "version", "wanted"),
    [
        (["1.0"], "1.0.0", "affected"),
        (["1.0.0"], "1", "affected"),
        (["1.0"], "1.0.post1", "unaffected"),
        (["1.0"], "v1.0", "affected"),
        (["1.0"], "1.0+cpu", "affected"),
        (["1.0+cpu"], "1.0", "unaffected"),
        (["2.0.0-final"], "2.0.0-final", "affected"),
        (["2.0.0-final"], "2.0.0", "unaffected"),
        (["1.0"], "not-a-version", "unaffected"),
    ],
)
def test_exact_versions(versions: list[str], version: str, wanted: str) -> None:
    assert answer([entry(versions=versions)], version) == wanted


def test_a_version_is_enough_and_so_is_a_range() -> None:
    both = entry([("introduced", "2"), ("fixed", "3")], versions=["1.0"])
    assert [answer([both], one) for one in ("1.0", "2.5", "1.5")] == [
        "affected", "affected", "unaffected",
    ]  # fmt: skip
    assert answer([entry([("introduced", "5")]), entry(versions=["1"])], "1") == "affected"


def test_a_local_version_is_what_it_was_made_from() -> None:
    events = [("introduced", "0"), ("last_affected", "2.0")]
    assert answer([entry(events)], "2.0+cu118") == "affected"


def test_a_version_at_hand_that_cannot_be_parsed_is_not_clean() -> None:
    assert answer([entry([("introduced", "0"), ("fixed", "1")])], "2.0.0-final") == "unclear"


def test_the_fixes_above_a_version() -> None:
    one = entry([("introduced", "0"), ("fixed", "1.5"), ("introduced", "2"), ("fixed", "2.10")])
    assert fixes([one], "1.9") == ["2.10"]
    assert fixes([one], "1.0") == ["1.5", "2.10"]


def test_ranges_of_commits_and_other_ecosystems_are_left_out() -> None:
    made = record("T-1")
    made["affected"][0]["ranges"] = [{"type": "GIT", "events": [{"introduced": "0"}]}]
    made["affected"].append({"package": {"ecosystem": "npm", "name": "alpha"}, "versions": ["1"]})
    (only,) = parse_advisory(made).affected
    assert answer([only], "1") == "unaffected"


# An independent matcher: intervals first, and then whether a version lies in one of them.


def _intervals(events: Sequence[Event]) -> list[tuple[str, str, bool]]:
    """(from, to, to included) of each interval, from events that are paired in the record's order."""
    found: list[tuple[str, str, bool]] = []
    begin = None
    for event in events:
        if event.kind == "introduced":
            begin = event.version
        elif begin is not None:
            found.append((begin, event.version, event.kind == "last_affected"))
            begin = None
    return found if begin is None else [*found, (begin, "", True)]


version_of = functools.cache(Version)


def _inside(version: Version, interval: tuple[str, str, bool]) -> bool:
    begin, end, included = interval
    if begin != "0" and version < version_of(begin):
        return False
    if not end:
        return True
    return version <= version_of(end) if included else version < version_of(end)


def _independent(entries: Sequence[Affected], text: str) -> bool:
    version = version_of(text)
    listed = any(version_key(text) == one for e in entries for one in e.versions)
    return listed or any(
        _inside(version, interval)
        for e in entries
        for events in e.ranges
        for interval in _intervals(events)
    )


@pytest.mark.slow
def test_the_real_data_version_by_version() -> None:
    """Every version that the data names for a package, against every record about it."""
    if not REAL.is_dir():
        pytest.skip("there is no ../shared/advisories")
    packages: dict[str, list[tuple[str, list[Affected]]]] = {}
    with zipfile.ZipFile(REAL / "pypi-osv.zip") as data:
        for name in data.namelist():
            advisory = parse_advisory(json.loads(data.read(name)))
            for package in {entry.package for entry in advisory.affected}:
                packages.setdefault(package, []).append((advisory.id, advisory.of(package)))
    asked = unclear = 0
    for rows in packages.values():
        entries = list(itertools.chain.from_iterable(found for _, found in rows))
        texts = {v for e in entries for v in e.versions}
        texts |= {event.version for e in entries for events in e.ranges for event in events}
        for record_id, own in rows:
            for text in texts:
                said = answer(own, text)
                try:
                    wanted = _independent(own, text)
                except InvalidVersion:
                    unclear += said == "unclear"
                    continue
                asked += 1
                assert said == ("affected" if wanted else "unaffected"), (record_id, text)
    assert asked > 50_000
    assert unclear > 0
