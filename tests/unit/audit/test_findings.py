"""From packages to vulnerabilities: aliases, severities, what was withdrawn, what is exploited."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from provenv.audit import database
from provenv.audit.database import Contents, Database, build, opened
from provenv.audit.findings import Vulnerability, vulnerabilities
from provenv.core.errors import CheckFailedError, DiskError, IntegrityError
from support.advisories import GRAVE, record

OLD = [[("introduced", "0"), ("fixed", "2.0")]]


def store(folder: Path, records: Sequence[Mapping[str, Any]], **more: Any) -> Path:
    raw = {one["id"]: json.dumps(one).encode() for one in records}
    build(
        str(folder),
        Contents(records=raw, **more),
        source="test",
        imported="2026-11-22T00:00:00+00:00",
    )
    found = database.current(str(folder))
    assert found is not None
    return Path(found)


def known(
    folder: Path, records: Sequence[Mapping[str, Any]], version: str = "1.0", **more: Any
) -> tuple[Vulnerability, ...]:
    with opened(str(store(folder, records, **more))) as here:
        return vulnerabilities(here, "Alpha", version)


def test_a_disk_that_is_full_is_said_and_what_was_there_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = store(tmp_path, [record("PYSEC-1", ranges=OLD)])

    def small(path: str, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(path, **options)
        connection.execute(
            "PRAGMA max_page_count = 8"
        )  # SQLite says then what it says of a full disk
        return connection

    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", small)
    with pytest.raises(DiskError, match=r"cannot write the advisories into .*ENOSPC"):
        store(tmp_path, [record(f"PYSEC-{n}", ranges=OLD, summary="x" * 999) for n in range(99)])
    assert database.current(str(tmp_path)) == str(before)
    assert sorted(tmp_path.iterdir()) == sorted([before, tmp_path / "current"])


def test_aliases_are_one_vulnerability_and_lend_their_severity(tmp_path: Path) -> None:
    (found,) = known(
        tmp_path,
        [
            record("PYSEC-1", aliases=["CVE-1", "GHSA-1"], ranges=OLD),
            record("GHSA-1", aliases=["CVE-1"], ranges=OLD, cvss=GRAVE),
        ],
    )
    assert (found.id, found.names) == ("PYSEC-1", ("CVE-1", "GHSA-1", "PYSEC-1"))
    assert (found.severity.level, found.severity.score) == ("critical", 9.8)
    assert found.fixed == ("2.0",)


def test_an_alias_that_is_about_another_package_lends_its_severity_and_joins_nothing(
    tmp_path: Path,
) -> None:
    found = known(
        tmp_path,
        [
            record("PYSEC-1", aliases=["CVE-1"], ranges=OLD),
            record("PYSEC-2", aliases=["CVE-2"], ranges=OLD),
            # the same CVE in two packages, and a record of the other one that names both
            record("PYSEC-3", "beta", aliases=["CVE-1", "CVE-2", "PYSEC-1", "PYSEC-2"], cvss=GRAVE),
            record("CVE-1", "beta", cvss=GRAVE, versions=["1"]),
        ],
    )
    assert [(one.id, one.severity.level) for one in found] == [
        ("PYSEC-1", "critical"), ("PYSEC-2", "unknown"),
    ]  # fmt: skip


def test_where_aliases_disagree_the_affected_one_counts(tmp_path: Path) -> None:
    found = known(
        tmp_path,
        [
            record("PYSEC-1", aliases=["GHSA-1"], ranges=[[("introduced", "0"), ("fixed", "0.5")]]),
            record("GHSA-1", aliases=["PYSEC-1"], ranges=OLD),
        ],
    )
    assert [one.id for one in found] == ["GHSA-1"]


def test_what_was_withdrawn_is_not_told_and_its_alias_is(tmp_path: Path) -> None:
    gone = record("PYSEC-1", aliases=["GHSA-1"], ranges=OLD, withdrawn="2026-01-01T00:00:00Z")
    assert known(tmp_path / "a", [gone]) == ()
    (found,) = known(tmp_path / "b", [gone, record("GHSA-1", aliases=["PYSEC-1"], ranges=OLD)])
    assert found.id == "GHSA-1"


def test_what_cannot_be_compared_is_told_as_uncertain(tmp_path: Path) -> None:
    odd = [[("introduced", "0"), ("fixed", "0.2.0-n653")]]
    (found,) = known(tmp_path, [record("PYSEC-1", ranges=odd)])
    assert not found.certain


def test_exploited_likely_and_malware(tmp_path: Path) -> None:
    found = known(
        tmp_path,
        [
            record("PYSEC-1", aliases=["CVE-1"], ranges=OLD),
            record("MAL-1", ranges=[[("introduced", "0")]]),
        ],
        exploited={
            "CVE-1": {"added": "2026-01-01", "due": "2026-02-01", "name": "x", "ransomware": True}
        },
        likely={"CVE-1": (0.5, 0.9)},
    )
    by_id = {one.id: one for one in found}
    exploited = by_id["PYSEC-1"].exploited
    assert exploited is not None
    assert exploited["due"] == "2026-02-01"
    assert by_id["PYSEC-1"].likely == 0.5
    assert by_id["MAL-1"].malware


@pytest.mark.parametrize("name", ["alpha", "ALPHA", "Alpha"])
def test_names_are_found_in_every_spelling(tmp_path: Path, name: str) -> None:
    one = record("PYSEC-1", "Al.Pha", ranges=OLD)
    with opened(str(store(tmp_path, [one]))) as here:
        assert len(vulnerabilities(here, name.lower().replace("al", "al_"), "1")) == 1


def test_a_vector_that_no_one_knows_is_no_severity(tmp_path: Path) -> None:
    (found,) = known(tmp_path, [record("PYSEC-1", ranges=OLD, cvss="CVSS:9.9/what")])
    assert found.severity.level == "unknown"
    word = record("PYSEC-1", ranges=OLD, database_specific={"severity": "MODERATE"})
    (found,) = known(tmp_path / "b", [word])
    assert found.severity.level == "medium"


def test_the_digest_is_that_of_the_records(tmp_path: Path) -> None:
    def digest(folder: Path, *records: Mapping[str, Any]) -> str:
        with opened(str(store(folder, records))) as here:
            return here.facts.digest

    one, two = record("PYSEC-1", ranges=OLD), record("PYSEC-2")
    assert digest(tmp_path / "a", one, two) == digest(tmp_path / "b", two, one)
    assert digest(tmp_path / "a", one, two) != digest(
        tmp_path / "c", {**one, "summary": "other"}, two
    )


def test_one_flipped_bit_in_the_file_is_seen(tmp_path: Path) -> None:
    path = store(tmp_path, [record("PYSEC-1", ranges=OLD)])
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)
    with pytest.raises(IntegrityError, match="not those that were written"), opened(str(path)):
        pass


def test_what_is_refused_leaves_the_old_one_current(tmp_path: Path) -> None:
    before = store(tmp_path, [record("PYSEC-1", ranges=OLD)])

    def refuse(_: object) -> None:
        raise CheckFailedError("no")

    with pytest.raises(CheckFailedError):
        build(str(tmp_path), Contents(records={}), source="x", imported="x", check=refuse)
    with pytest.raises(ValueError, match="PYSEC-9"):
        build(str(tmp_path), Contents(records={"PYSEC-9": b'{"id": 1}'}), source="x", imported="x")
    assert database.current(str(tmp_path)) == str(before)
    assert sorted(p.name for p in tmp_path.iterdir()) == [before.name, "current"]


def test_the_one_before_stays_for_who_reads_it(tmp_path: Path) -> None:
    first = store(tmp_path, [record("PYSEC-1", ranges=OLD)])
    with opened(str(first)) as here:
        second = store(tmp_path, [record("PYSEC-2")])
        third = store(tmp_path, [record("PYSEC-3")])
        assert isinstance(here, Database)
        assert vulnerabilities(here, "alpha", "1")
    left = {path.name for path in tmp_path.glob("advisories-*")}
    assert left == {second.name, third.name}
