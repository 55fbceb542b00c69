"""A bill of materials as CycloneDX 1.6 (ECMA-424), JSON. Same bill, same bytes."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from provenv.core import digest
from provenv.model.inventory import (
    ENVIRONMENT,
    LOCK,
    SCOPE,
    Bill,
    Component,
    Document,
    File,
    is_address,
    is_email,
    timestamp,
)
from provenv.model.metadata import Person

SCHEMA = "http://cyclonedx.org/schema/bom-1.6.schema.json"
ROOT = "project"
ALGORITHMS = {
    "md5": "MD5", "sha1": "SHA-1", "sha256": "SHA-256", "sha384": "SHA-384", "sha512": "SHA-512",
}  # fmt: skip
# Labels of project URLs, normalized (PEP 753) → types of external references.
_KINDS = {
    "bugtracker": "issue-tracker", "changelog": "release-notes", "changes": "release-notes",
    "code": "vcs", "docs": "documentation", "documentation": "documentation", "homepage": "website",
    "issues": "issue-tracker", "issuetracker": "issue-tracker", "releasenotes": "release-notes",
    "repository": "vcs", "source": "vcs", "sourcecode": "vcs", "tracker": "issue-tracker",
}  # fmt: skip


def cyclonedx(bill: Bill) -> dict[str, Any]:
    """The document."""
    body: dict[str, Any] = {
        "metadata": {
            "tools": {"components": [tool(bill.tool)]},
            "component": _root(bill),
            "properties": [
                {"name": ENVIRONMENT, "value": bill.environment},
                {"name": LOCK, "value": bill.digest},
                {"name": SCOPE, "value": bill.scope},
            ],
        },
        "components": [_component(one) for one in bill.components],
        "dependencies": [
            {"ref": ROOT, "dependsOn": sorted(bill.roots)},
            *({"ref": one.ref, "dependsOn": sorted(one.needs)} for one in bill.components),
        ],
        "compositions": _compositions(bill),
    }
    return headed(body, bill.created)


def headed(body: dict[str, Any], created: datetime | None) -> dict[str, Any]:
    """A document with its head: the serial number follows from all that it says but the time."""
    serial = uuid.uuid5(uuid.NAMESPACE_URL, digest.of_json(body))
    if created is not None:
        body["metadata"] = {"timestamp": timestamp(created), **body["metadata"]}
    return {
        "$schema": SCHEMA,
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        **body,
    }


def tool(version: str) -> dict[str, str]:
    """Who made a document."""
    return {"type": "application", "name": "provenv", "version": version}


def _root(bill: Bill) -> dict[str, Any]:
    found = {"type": "application", "bom-ref": ROOT, "name": bill.title}
    return {**found, "version": bill.version} if bill.version else found


def _component(one: Component) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "library", "bom-ref": one.ref}
    if one.people:
        found["supplier"] = _supplier(one.people)
        found["authors"] = [_contact(person) for person in one.people]
    found["name"] = one.name
    if one.version:
        found["version"] = one.version
    if one.summary:
        found["description"] = one.summary
    if len(one.files) == 1:
        found["hashes"] = _hashes(one.files[0])
    found["licenses"] = _licences(one)
    found["purl"] = one.purl
    found["externalReferences"] = [
        *(_distribution(file) for file in one.files if is_address(file.url) or file.hashes),
        *([_source(one.origin)] if one.origin else ()),
        *_links(one.urls),
        *(_document(document) for document in one.documents or ()),
    ]
    found["properties"] = [{"name": "provenv:marker", "value": one.marker}] if one.marker else []
    found["components"] = [
        part for document in one.documents or () for part in _parts(one.ref, document)
    ]
    return {key: said for key, said in found.items() if said}


def _supplier(people: Sequence[Person]) -> dict[str, Any]:
    """Who the first of its authors is: a package's author is who supplies it."""
    contacts = [_contact(person) for person in people if is_email(person.email)]
    made: dict[str, Any] = {"name": people[0].name or people[0].email}
    return {**made, "contact": contacts} if contacts else made


def _contact(person: Person) -> dict[str, str]:
    found = {"name": person.name or person.email}
    return {**found, "email": person.email} if is_email(person.email) else found


def _licences(one: Component) -> list[dict[str, Any]]:
    if one.licence is not None:
        return [{"expression": one.licence, "acknowledgement": "declared"}]
    return [{"license": {"name": text, "acknowledgement": "declared"}} for text in one.words]


def _hashes(file: File) -> list[dict[str, str]]:
    return [
        {"alg": ALGORITHMS[name], "content": said.lower()}
        for name, said in sorted(file.hashes.items())
        if name in ALGORITHMS
    ]


def _distribution(file: File) -> dict[str, Any]:
    """One of its files; one that has no address on a network goes by its name."""
    return {
        "type": "distribution",
        "url": file.url if is_address(file.url) else _reference(file.filename),
        "comment": file.filename,
        "hashes": _hashes(file),
    }


def _reference(text: str) -> str:
    """What may stand for an address that is none: nothing that has a meaning there (RFC 3986)."""
    return quote(text, safe=":/@+?=&%#~")


def _source(origin: str) -> dict[str, Any]:
    return {"type": "source-distribution", "url": _reference(origin)}


def _links(urls: Mapping[str, str]) -> list[dict[str, Any]]:
    found = {}
    for label, url in urls.items():
        kind = _KINDS.get(re.sub(r"[\W_]", "", label.lower()), "other")
        if is_address(url):
            found[kind, url] = {"type": kind, "url": url}
    return [found[key] for key in sorted(found)]


def _document(document: Document) -> dict[str, Any]:
    said = "" if document.parts is not None else ", which cannot be read"
    return {
        "type": "bom",
        "url": _reference(document.path),
        "comment": f"in the wheel (PEP 770){said}",
        "hashes": [{"alg": "SHA-256", "content": document.sha256}],
    }


def _parts(ref: str, document: Document) -> list[dict[str, Any]]:
    """What a wheel says that it has bundled, with names of our own for it."""
    made = []
    for number, part in enumerate(document.parts or ()):
        row = {
            "type": "library",
            "bom-ref": f"{ref}#{document.path}#{number}",
            "name": part.name,
            "version": part.version,
            "purl": part.purl,
        }
        made.append({key: said for key, said in row.items() if said})
    return made


def _compositions(bill: Bill) -> list[dict[str, Any]]:
    """What is whole, and what nobody could look into: wheels that are not here may have bundled more."""
    refs = [one.ref for one in bill.components]
    unseen = sorted(one.ref for one in bill.components if one.documents is None)
    whole = "complete" if bill.graph else "unknown"
    found: list[dict[str, Any]] = [{"aggregate": whole, "dependencies": [ROOT, *refs]}]
    if unseen:
        found.append({"aggregate": "unknown", "assemblies": unseen})
    return found
