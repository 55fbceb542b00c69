"""SBOMs held against the published schemas."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

_FOLDER = Path(__file__).parent / "schemas"


def _schema(name: str) -> Any:
    return json.loads((_FOLDER / f"{name}.schema.json").read_text())


def valid(document: Any) -> None:
    """A CycloneDX 1.6 or SPDX 2.3 document is one by its schema; skipped without ``jsonschema``."""
    jsonschema = pytest.importorskip("jsonschema")
    registry = pytest.importorskip("referencing").Registry()
    for name in ("spdx", "jsf-0.82"):  # what that of CycloneDX refers to
        contents = _schema(name)
        resource = pytest.importorskip("referencing").Resource.from_contents(contents)
        registry = registry.with_resource(contents["$id"], resource)
    schema = _schema("bom-1.6" if "bomFormat" in document else "spdx-2.3")
    jsonschema.Draft7Validator(
        schema, registry=registry, format_checker=jsonschema.FormatChecker()
    ).validate(document)


def connected(document: Any) -> None:
    """Every name that a CycloneDX or SPDX document uses is one that it gives, and gives once."""
    if "bomFormat" not in document:
        given = [package["SPDXID"] for package in document["packages"]] + ["SPDXRef-DOCUMENT"]
        rows = document["relationships"]
        used = {row[key] for row in rows for key in ("spdxElementId", "relatedSpdxElement")}
    else:
        given, pending = [document["metadata"]["component"]["bom-ref"]], [document]
        while pending:
            inner = pending.pop().get("components", [])
            given += [one["bom-ref"] for one in inner]
            pending += inner
        rows = document["dependencies"]
        used = {row["ref"] for row in rows} | {ref for row in rows for ref in row["dependsOn"]}
        used |= {ref for row in document["compositions"] for ref in row.get("assemblies", ())}
    assert len(given) == len(set(given))
    assert used <= set(given)
