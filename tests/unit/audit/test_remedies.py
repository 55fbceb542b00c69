"""The least version that nothing is known against."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from provenv.audit import database
from provenv.audit.remedies import Known, known_against, remedies
from support.advisories import now, record


def known(folder: Path, *records: Any) -> Known:
    import json

    raw = {one["id"]: json.dumps(one).encode() for one in records}
    database.build(str(folder), database.Contents(records=raw), source="test", imported=now())
    path = database.current(str(folder))
    assert path is not None
    with database.opened(path) as here:
        return known_against(here, "Alpha")


@pytest.fixture
def alpha(tmp_path: Path) -> Known:
    return known(
        tmp_path,
        record("PYSEC-1", ranges=[[("introduced", "0"), ("fixed", "1.4")]]),
        record("PYSEC-2", versions=["1.4"], ranges=[[("introduced", "2.0"), ("fixed", "2.2")]]),
        record("PYSEC-3", versions=["1.5"], withdrawn="2026-01-01T00:00:00Z"),
        record("PYSEC-4", "beta", versions=["1.5"]),
    )


def texts(found: list[Version]) -> list[str]:
    return [str(one) for one in found]


def test_what_any_record_hits_is_no_remedy(alpha: Known) -> None:
    offered = [Version(text) for text in ("2.2", "1.3", "1.4", "1.5", "2.0", "0.9")]
    assert texts(remedies(alpha, ["1.0"], offered)) == ["1.5", "2.2"]
    assert texts(remedies(alpha, ["1.0", "2.1"], offered)) == ["2.2"]
    assert remedies(alpha, ["1.0"], offered[1:2]) == []


def test_where_the_index_is_not_known_the_records_are_asked(alpha: Known) -> None:
    assert texts(remedies(alpha, ["1.0"], None)) == ["2.2"]  # 1.4 is hit by the other record


def test_a_record_that_cannot_be_compared_hits_every_version(tmp_path: Path) -> None:
    odd = known(tmp_path, record("PYSEC-1", ranges=[[("introduced", "0"), ("fixed", "two")]]))
    assert remedies(odd, ["1.0"], [Version("9")]) == []
    assert remedies(odd, ["one"], [Version("9")]) == []


def test_prereleases_are_for_who_has_one(tmp_path: Path) -> None:
    early = known(tmp_path, record("PYSEC-1", ranges=[[("introduced", "0"), ("fixed", "2.0rc1")]]))
    assert remedies(early, ["1.0"], None) == []
    assert texts(remedies(early, ["2.0b1"], None)) == ["2.0rc1"]
