"""Reading what others publish: OSV's archive of a whole ecosystem, CISA's KEV catalogue, EPSS scores."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

from provenv.core.errors import InputError

_LARGEST = 64 << 20  # bytes of one record, unpacked: the largest there is has less than 2 MB
_TOTAL = 4 << 30


def read_archive(data: bytes, name: str) -> dict[str, bytes]:
    """The records in OSV's ``all.zip``, raw, by their id.

    Raises:
        InputError: It is no archive, is damaged, or holds no advisory.
    """
    records: dict[str, bytes] = {}
    total = 0
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for entry in archive.infolist():
                if not entry.filename.endswith(".json"):
                    continue
                total += entry.file_size
                if entry.file_size > _LARGEST or total > _TOTAL:
                    raise _refused(name, f"{entry.filename} is too large to be an advisory")
                one = entry.filename.rpartition("/")[2].removesuffix(".json")
                if one in records:
                    raise _refused(name, f"{one} is in it twice")
                records[one] = archive.read(entry)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise _refused(name, f"no whole zip archive: {error}") from error
    if not records:
        raise _refused(name, "holds no advisory")
    return records


def read_changes(text: str, name: str) -> dict[str, str]:
    """OSV's ``modified_id.csv``: when each record was changed last, by its id.

    Raises:
        InputError: It is none.
    """
    found = {}
    for row in csv.reader(io.StringIO(text)):
        if len(row) != 2 or not row[0][:4].isdigit() or not row[1]:
            raise InputError(f"no list of changed advisories: {row!r}", file=name)
        found[row[1].rpartition("/")[2]] = row[0]
    return found


def read_exploited(data: bytes, name: str) -> tuple[str, dict[str, Mapping[str, Any]]]:
    """CISA's catalogue of known exploited vulnerabilities (JSON): its date, and entries by CVE.

    Raises:
        InputError: It is none, or an empty one.
    """
    try:
        catalogue = json.loads(data)
        rows: dict[str, Mapping[str, Any]] = {
            str(row["cveID"]): {
                "added": str(row["dateAdded"]),
                "due": str(row["dueDate"]),
                "name": str(row["vulnerabilityName"]),
                "ransomware": row.get("knownRansomwareCampaignUse") == "Known",
            }
            for row in catalogue["vulnerabilities"]
        }
        date = str(catalogue["dateReleased"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"no catalogue of known exploited vulnerabilities: {error}", file=name
        ) from error
    if not rows:
        raise InputError(
            "a catalogue of known exploited vulnerabilities with nothing in it", file=name
        )
    return date, rows


def read_likely(data: bytes, name: str) -> tuple[str, dict[str, tuple[float, float]]]:
    """EPSS scores (CSV, also gzipped): their date; score and percentile by CVE.

    Raises:
        InputError: It is none, or an empty one.
    """
    try:
        text = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode()
        head, _, body = text.partition("\n")
        notes = dict(item.partition(":")[::2] for item in head.lstrip("#").split(","))
        rows = {
            row["cve"]: (_share(row["epss"]), _share(row["percentile"]))
            for row in csv.DictReader(io.StringIO(body if head.startswith("#") else text))
        }
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
        raise InputError(f"no list of EPSS scores: {error}", file=name) from error
    if not rows:
        raise InputError("a list of EPSS scores with nothing in it", file=name)
    return notes.get("score_date", ""), rows


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise ValueError(f"{text} is not between 0 and 1")
    return value


def _refused(name: str, reason: str) -> InputError:
    return InputError(
        reason, file=name, hint="Nothing was changed; the advisories that were here stay."
    )
