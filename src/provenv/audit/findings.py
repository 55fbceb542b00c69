"""From packages and advisories to vulnerabilities: matched, aliases merged, rated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from provenv.audit.database import Database
from provenv.audit.matching import Answer, answer, fixes
from provenv.audit.severity import Severity, rate
from provenv.core.values import frozen
from provenv.model.advisory import Advisory, Affected
from provenv.model.plan import canonical

# Which of several names of one vulnerability is told first: that of the packaging database, which is
# about this very package, then what speaks of the software.
_ORDER = ("MAL-", "PYSEC-", "GHSA-", "CVE-")


@frozen
class Vulnerability:
    """One vulnerability of one version of a package: all records that are aliases of each other.

    Attributes:
        id: What it is called first. ``names``: All its names, that one included, sorted.
        certain: False where the answer hangs on a version that PEP 440 cannot parse.
        fixed: Versions above this one that are named as fixed, the lowest first.
        exploited: CISA's entry (``added``, ``due``, ``name``, ``ransomware``), where it has one.
        likely: The EPSS score (0 to 1), the highest of its CVEs.
        published, modified: Of its records the first and the last (RFC 3339).
        malware: The package itself is hostile.
    """

    package: str
    version: str
    id: str
    names: tuple[str, ...]
    certain: bool
    summary: str
    severity: Severity
    fixed: tuple[str, ...]
    exploited: Mapping[str, Any] | None
    likely: float | None
    published: str | None
    modified: str
    references: tuple[str, ...]
    malware: bool


def vulnerabilities(database: Database, package: str, version: str) -> tuple[Vulnerability, ...]:
    """What is known against ``version`` of ``package``; withdrawn records are not. The gravest first."""
    name = canonical(package)
    if (name, version) not in database.told:
        database.told[name, version] = _vulnerabilities(database, name, version)
    return database.told[name, version]


def _vulnerabilities(database: Database, name: str, version: str) -> tuple[Vulnerability, ...]:
    entries = database.affected(name)
    answers = {record: answer(rows, version) for record, rows in entries.items()}
    hit = [record for record, found in answers.items() if found != "unaffected"]
    if not hit:
        return ()
    records = {
        one: advisory
        for one, advisory in database.records(entries).items()
        if advisory.withdrawn is None
    }
    found = []
    for group in _groups(records.values()):
        matched = sorted(set(group) & set(hit) & set(records))
        if matched:
            rows = {record: entries[record] for record in matched}
            found.append(
                _merged(database, name, version, rows, answers, [records[one] for one in matched])
            )
    return tuple(sorted(found, key=lambda one: (-(one.severity.score or 0.0), one.id)))


def _groups(records: Iterable[Advisory]) -> list[set[str]]:
    """Names that stand for one vulnerability of one package: union-find over ids and aliases.

    Over the records of this package alone: an alias that several packages share says nothing about
    whether *their* records are the same.
    """
    parent: dict[str, str] = {}

    def find(name: str) -> str:
        parent.setdefault(name, name)
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for record in records:
        for alias in record.aliases:
            parent[find(alias)] = find(record.id)
        find(record.id)
    groups: dict[str, set[str]] = {}
    for name in parent:
        groups.setdefault(find(name), set()).add(name)
    return list(groups.values())


def _merged(
    database: Database,
    package: str,
    version: str,
    entries: Mapping[str, Sequence[Affected]],
    answers: Mapping[str, Answer],
    records: Sequence[Advisory],
) -> Vulnerability:
    names = sorted({name for record in records for name in (record.id, *record.aliases)})
    cves = [name for name in names if name.startswith("CVE-")]
    rows = [row for record in entries.values() for row in record]
    likely = [scores[0] for cve in cves if (scores := database.likely(cve)) is not None]
    return Vulnerability(
        package=package,
        version=version,
        id=min((record.id for record in records), key=_rank),
        names=tuple(names),
        certain=any(answers[record.id] == "affected" for record in records),
        summary=next((text for record in records if (text := _summary(record))), ""),
        severity=_severity(database, records, rows, names),
        fixed=tuple(fixes(rows, version)),
        exploited=next(
            (found for cve in cves if (found := database.exploited(cve)) is not None), None
        ),
        likely=max(likely, default=None),
        published=min((r.published for r in records if r.published), default=None),
        modified=max(record.modified for record in records),
        references=tuple(dict.fromkeys(url for record in records for url in record.references)),
        malware=any(record.malware for record in records),
    )


def _severity(
    database: Database, records: Sequence[Advisory], rows: Sequence[Affected], names: Sequence[str]
) -> Severity:
    """Of the package's own entries, else of the records, else of their aliases, else unknown."""
    own = [pair for row in rows for pair in row.severity]
    own += [pair for record in records for pair in record.severity]
    words = [record.level for record in records if record.level]
    if not own and not words:
        aliases = database.records(name for name in names if name not in {r.id for r in records})
        known = [record for record in aliases.values() if record.withdrawn is None]
        own = [pair for record in known for pair in record.severity]
        words = [record.level for record in known if record.level]
    return rate(own, words)


def _summary(record: Advisory) -> str:
    """One line: the summary, else the first sentence of the details."""
    text = record.summary or record.details
    line = " ".join(text.split())
    head, stop, _ = line.partition(". ")
    return head + stop.strip()


def _rank(name: str) -> tuple[int, str]:
    return (
        next((at for at, start in enumerate(_ORDER) if name.startswith(start)), len(_ORDER)),
        name,
    )
