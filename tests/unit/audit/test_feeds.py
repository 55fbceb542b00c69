"""What others publish, and what of it is refused."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from pathlib import Path

import pytest

from provenv.audit import feeds
from provenv.core.errors import InputError
from support.advisories import REAL, archive, record


def test_an_archive_is_read(tmp_path: Path) -> None:
    data = archive(tmp_path / "all.zip", [record("PYSEC-1"), record("GHSA-2")]).read_bytes()
    assert sorted(feeds.read_archive(data, "all.zip")) == ["GHSA-2", "PYSEC-1"]


def damaged(tmp_path: Path) -> dict[str, bytes]:
    whole = archive(tmp_path / "all.zip", [record(f"PYSEC-{n}") for n in range(20)]).read_bytes()
    twice = io.BytesIO()
    with zipfile.ZipFile(twice, "w") as stream:
        stream.writestr("a/PYSEC-1.json", "{}")
        stream.writestr("b/PYSEC-1.json", "{}")
    empty = io.BytesIO()
    zipfile.ZipFile(empty, "w").close()
    middle = len(whole) // 3
    return {
        "empty file": b"",
        "a page": b"<html>404</html>",
        "cut": whole[: len(whole) // 2],
        "empty archive": empty.getvalue(),
        "a flipped bit": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
        "twice": twice.getvalue(),
    }


def test_what_is_no_whole_archive_is_refused(tmp_path: Path) -> None:
    for what, data in damaged(tmp_path).items():
        with pytest.raises(InputError) as caught:
            feeds.read_archive(data, "all.zip")
        assert caught.value.message.startswith("all.zip: "), what
        assert "stay" in (caught.value.hint or "")


def test_a_record_that_unpacks_to_too_much_is_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as stream:
        stream.writestr("PYSEC-1.json", b"0" * (65 << 20))
    with pytest.raises(InputError, match="too large"):
        feeds.read_archive(buffer.getvalue(), "all.zip")


def test_the_list_of_changes() -> None:
    text = "2026-01-02T00:00:00Z,PYSEC-1\n2026-01-01T00:00:00Z,PyPI/GHSA-2\n"
    assert feeds.read_changes(text, "x") == {
        "PYSEC-1": "2026-01-02T00:00:00Z", "GHSA-2": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    with pytest.raises(InputError):
        feeds.read_changes("<html></html>\n", "x")


def test_exploited() -> None:
    catalogue = {
        "dateReleased": "2026-01-01",
        "vulnerabilities": [
            {
                "cveID": "CVE-1", "dateAdded": "2026-01-01", "dueDate": "2026-02-01",
                "vulnerabilityName": "x", "knownRansomwareCampaignUse": "Known",
            }
        ],
    }  # fmt: skip
    date, rows = feeds.read_exploited(json.dumps(catalogue).encode(), "kev.json")
    assert (date, rows["CVE-1"]["ransomware"]) == ("2026-01-01", True)
    for bad in (b"", b"[]", b"{}", json.dumps({**catalogue, "vulnerabilities": []}).encode()):
        with pytest.raises(InputError):
            feeds.read_exploited(bad, "kev.json")


def test_the_real_catalogue() -> None:
    if not REAL.is_dir():
        pytest.skip("there is no ../shared/advisories")
    _, rows = feeds.read_exploited((REAL / "kev.json").read_bytes(), "kev.json")
    assert rows["CVE-2025-48384"]["due"] == "2025-09-15"


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_likely(pack: type[bytes]) -> None:
    text = b"#model_version:v1,score_date:2026-01-01T00:00:00+0000\ncve,epss,percentile\nCVE-1,0.5,0.9\n"
    date, rows = feeds.read_likely(pack(text), "epss.csv")
    assert date.startswith("2026-01-01")
    assert rows == {"CVE-1": (0.5, 0.9)}


@pytest.mark.parametrize(
    "data",
    [
        b"", b"cve,epss,percentile\n", b"cve,epss,percentile\nCVE-1,7,0\n", b"\x1f\x8bnot gzip",
        b"<html>", b"\xff\xfe",
    ],
)  # fmt: skip
def test_what_are_no_scores_is_refused(data: bytes) -> None:
    with pytest.raises(InputError):
        feeds.read_likely(data, "epss.csv")
