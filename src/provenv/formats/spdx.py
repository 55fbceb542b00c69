"""A bill of materials as SPDX 2.3 (the successor of ISO/IEC 5962:2021), JSON. Same bill, same bytes."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from provenv.core import digest
from provenv.model.inventory import (
    ENVIRONMENT,
    LOCK,
    SCOPE,
    Bill,
    Component,
    File,
    is_address,
    is_email,
    timestamp,
)
from provenv.model.metadata import Person

_ROOT = "SPDXRef-Project"
_NOT_SAID = "NOASSERTION"
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)  # the format wants a time, and nothing says one
_REF = re.compile(r"\bLicenseRef-[A-Za-z0-9.-]+")
_ALGORITHMS = {
    "md5": "MD5", "sha1": "SHA1", "sha256": "SHA256", "sha384": "SHA384", "sha512": "SHA512",
}  # fmt: skip


def spdx(bill: Bill) -> dict[str, Any]:
    """The document."""
    created = timestamp(bill.created or _NEVER)
    names = _names(bill)
    packages = [_root(bill)]
    relations = [("SPDXRef-DOCUMENT", "DESCRIBES", _ROOT)]
    relations += [(_ROOT, "DEPENDS_ON", names[ref]) for ref in sorted(bill.roots)]
    for one in bill.components:
        own = names[one.ref]
        packages.append(_package(one, own))
        relations += [(own, "DEPENDS_ON", names[ref]) for ref in sorted(one.needs)]
        for kind, inner in (*_artifacts(one, own), *_parts(one, own)):
            packages.append(inner)
            relations.append((own, kind, inner["SPDXID"]))
    body: dict[str, Any] = {
        "name": f"{bill.title}, {bill.environment}",
        "packages": packages,
        "relationships": [
            {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}
            for one, kind, other in relations
        ],
        "annotations": [
            {
                "annotationDate": created,
                "annotationType": "OTHER",
                "annotator": f"Tool: provenv-{bill.tool}",
                "comment": f"{name}={said}",
            }
            for name, said in ((ENVIRONMENT, bill.environment), (LOCK, bill.digest), (SCOPE, bill.scope))
        ],
    }  # fmt: skip
    references = sorted({ref for one in bill.components for ref in _REF.findall(one.licence or "")})
    if references:
        body["hasExtractedLicensingInfos"] = [_extracted(ref) for ref in references]
    serial = uuid.uuid5(uuid.NAMESPACE_URL, digest.of_json(body))
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "documentNamespace": f"https://spdx.org/spdxdocs/{quote(bill.title, safe='')}-{serial}",
        "creationInfo": {"created": created, "creators": [f"Tool: provenv-{bill.tool}"]},
        **body,
    }


def _names(bill: Bill) -> dict[str, str]:
    """Identifiers: letters, digits, dots and hyphens; two that become the same are numbered."""
    found: dict[str, str] = {}
    for one in bill.components:
        bare = re.sub(r"[^A-Za-z0-9.-]+", "-", f"{one.name}-{one.version}").strip("-")
        name, number = f"SPDXRef-Package-{bare}", 1
        while name in found.values():
            number += 1
            name = f"SPDXRef-Package-{bare}--{number}"
        found[one.ref] = name
    return found


def _bare(name: str, identifier: str, **more: Any) -> dict[str, Any]:
    """What every package says; ``more`` may say better."""
    made = {
        "SPDXID": identifier,
        "name": name,
        "downloadLocation": _NOT_SAID,
        "filesAnalyzed": False,
        "licenseConcluded": _NOT_SAID,
        "licenseDeclared": _NOT_SAID,
        "copyrightText": _NOT_SAID,
        **more,
    }
    return {key: said for key, said in made.items() if said not in ("", None, [])}


def _root(bill: Bill) -> dict[str, Any]:
    return _bare(bill.title, _ROOT, versionInfo=bill.version, primaryPackagePurpose="APPLICATION")


def _package(one: Component, own: str) -> dict[str, Any]:
    file = one.files[0] if len(one.files) == 1 else None
    people = [_actor(person) for person in one.people[:1]]
    return _bare(
        one.name,
        own,
        versionInfo=one.version,
        supplier=people[0] if people else _NOT_SAID,
        originator=people[0] if people else _NOT_SAID,
        downloadLocation=_whence(one, file),
        packageFileName=file.filename if file is not None else "",
        checksums=_checksums(file.hashes) if file is not None else [],
        homepage=_homepage(one.urls),
        licenseDeclared=one.licence or _NOT_SAID,
        licenseComments="; ".join(one.words),
        summary=one.summary,
        comment=f"only where {one.marker}" if one.marker else "",
        externalRefs=_purl(one.purl),
        primaryPackagePurpose="LIBRARY",
    )


def _artifacts(one: Component, own: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The files of what has several: a package can have hashes of one."""
    for number, file in enumerate(one.files if len(one.files) > 1 else ()):
        yield (
            "DISTRIBUTION_ARTIFACT",
            _bare(
                file.filename,
                f"{own}-file-{number}",
                versionInfo=one.version,
                packageFileName=file.filename,
                downloadLocation=_location(file),
                checksums=_checksums(file.hashes),
                primaryPackagePurpose="ARCHIVE",
            ),
        )


def _parts(one: Component, own: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """What is bundled, by the documents in the wheel (PEP 770)."""
    for at, document in enumerate(one.documents or ()):
        said = "" if document.parts is not None else ", which cannot be read"
        yield (
            "CONTAINS",
            _bare(
                document.path,
                f"{own}-sbom-{at}",
                packageFileName=document.path,
                checksums=_checksums({"sha256": document.sha256}),
                comment=f"an SBOM in the wheel (PEP 770){said}",
                primaryPackagePurpose="FILE",
            ),
        )
        for number, part in enumerate(document.parts or ()):
            yield (
                "CONTAINS",
                _bare(
                    part.name,
                    f"{own}-sbom-{at}-{number}",
                    versionInfo=part.version,
                    comment=f"by {document.path}",
                    externalRefs=_purl(part.purl),
                ),
            )


def _purl(purl: str | None) -> list[dict[str, str]]:
    if purl is None:
        return []
    return [
        {
            "referenceCategory": "PACKAGE-MANAGER",
            "referenceType": "purl",
            "referenceLocator": purl,
        }
    ]


def _actor(person: Person) -> str:
    """Metadata do not tell persons from organizations; the format wants a word for it."""
    name = (person.name or person.email).replace("(", "[").replace(")", "]")
    return f"Person: {name} ({person.email})" if is_email(person.email) else f"Person: {name}"


def _whence(one: Component, file: File | None) -> str:
    if "://" in one.origin and " " not in one.origin:
        return one.origin
    return _location(file) if file is not None else _NOT_SAID


def _location(file: File) -> str:
    return file.url if is_address(file.url) else _NOT_SAID


def _homepage(urls: Mapping[str, str]) -> str:
    found = {label.lower(): url for label, url in urls.items() if is_address(url)}
    return found.get("homepage", "")


def _checksums(hashes: Mapping[str, str]) -> list[dict[str, str]]:
    return [
        {"algorithm": _ALGORITHMS[name], "checksumValue": said.lower()}
        for name, said in sorted(hashes.items())
        if name in _ALGORITHMS
    ]


def _extracted(ref: str) -> dict[str, str]:
    text = "The metadata of the package name this licence and do not have its text."
    return {"licenseId": ref, "name": ref.removeprefix("LicenseRef-"), "extractedText": text}
