"""Bills of materials in both formats: valid whatever packages say of themselves, whole, and repeatable."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from provenv.core.errors import InputError
from provenv.core.values import replace
from provenv.formats.cyclonedx import cyclonedx
from provenv.formats.inventories import Listed, components, parts, recorded
from provenv.formats.spdx import spdx
from provenv.model.inventory import LOCK, Bill, Component, Document, File, Part, package_url
from provenv.model.metadata import Person
from support.sboms import connected, valid

SHA = "ab" * 32
WRITERS = (cyclonedx, spdx)


def bill(*made: Component, **more: Any) -> Bill:
    fields: dict[str, Any] = {
        "title": "shop", "version": "1.0", "environment": "prod", "scope": "lock", "digest": SHA,
        "created": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "roots": tuple(one.ref for one in made[:1]),
        "tool": "0.1.0",
    }  # fmt: skip
    return Bill(**{**fields, "components": made, **more})


def one(name: str = "core", version: str = "1.0", **more: Any) -> Component:
    purl = package_url(name, version)
    return Component(**{"ref": purl, "name": name, "version": version, "purl": purl, **more})


ODD = one(
    "odd",
    "1.0+local.1",
    licence="MIT AND LicenseRef-Ours",
    summary='<b>\u202e"quoted"',
    people=(
        Person(name="Ana (the first)", email="ana@example.org"),
        Person(name="Bo", email="no address"),
        Person(name="", email="cy@x.org"),
    ),
    urls={
        "Homepage": "not an address",
        "Source Code": "https://example.org/a b",
        "Bug-Tracker": "https://example.org/bugs",
        "Docs": "javascript:alert(1)",
        "Other": "https://example.org/o",
    },
    files=(
        File(filename="odd-1.tar.gz", url="file:///x", hashes={"sha256": SHA, "blake3": "00"}),
        File(filename="odd-1.whl", url="https://example.org/odd-1.whl", hashes={"sha256": SHA.upper()}),
    ),
    marker='sys_platform == "win32"',
    documents=(
        Document(
            path="odd.dist-info/sboms/a.json",
            sha256=SHA,
            parts=(
                Part(name="zlib", version="1.3", purl="pkg:generic/zlib@1.3"),
                Part(name="zlib", version="", purl=None),
            ),
        ),
        Document(path="odd.dist-info/sboms/b.xml", sha256=SHA, parts=None),
    ),
)  # fmt: skip
LOCAL = Component(
    ref="lib@", name="lib", version="", purl=None, words=("BSD License",), origin="", documents=()
)
SINGLE = one(
    files=(File(filename="core.whl", url="https://example.org/core.whl", hashes={"sha256": SHA}),),
    needs=(ODD.ref, LOCAL.ref),
    urls={"Homepage": "https://example.org/"},
)
TWINS = (
    one("a-b", "1"),
    replace(one("a-b", "1"), ref="pkg:pypi/a-b@1#2", marker="os_name == 'nt'"),
)
VCS = Component(
    ref="v", name="v", version="2", purl=package_url("v", "2", vcs_url="git+https://x.org/v@abc"),
    origin="git+https://x.org/v@abc",
)  # fmt: skip
ALL = bill(SINGLE, ODD, LOCAL, *TWINS, VCS)


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize(
    "given", [ALL, bill(), bill(ODD, created=None, version="", graph=False, scope="installed")]
)
def test_valid_and_connected(write: Any, given: Bill) -> None:
    document = write(given)
    valid(document)
    connected(document)


@pytest.mark.parametrize("write", WRITERS)
def test_the_same_bill_gives_the_same_bytes_and_another_another_name(write: Any) -> None:
    name = "serialNumber" if write is cyclonedx else "documentNamespace"
    assert json.dumps(write(ALL)) == json.dumps(write(ALL))
    assert write(ALL)[name] != write(replace(ALL, digest="cd" * 32))[name]
    assert write(ALL)[name] != write(replace(ALL, environment="dev"))[name]


@pytest.mark.parametrize("write", WRITERS)
def test_what_is_written_is_read_back(write: Any) -> None:
    data = json.dumps(write(ALL)).encode()
    assert components(data, "x") == [
        Listed(name="a-b", version="1"),
        Listed(name="core", version="1.0"),
        Listed(name="odd", version="1.0+local.1"),
        Listed(name="v", version="2", direct=True),
    ]
    assert (recorded(data) or {})[LOCK] == SHA


def test_what_cyclonedx_says() -> None:
    document = cyclonedx(ALL)
    rows = {row["bom-ref"]: row for row in document["components"]}
    core, odd = rows[SINGLE.ref], rows[ODD.ref]
    assert core["hashes"] == [{"alg": "SHA-256", "content": SHA}]
    assert "hashes" not in odd  # of which of its files?
    assert odd["licenses"] == [
        {"expression": "MIT AND LicenseRef-Ours", "acknowledgement": "declared"}
    ]
    assert rows["lib@"]["licenses"][0]["license"]["name"] == "BSD License"
    assert "purl" not in rows["lib@"]  # nobody could look it up
    assert odd["supplier"] == {
        "name": "Ana (the first)",
        "contact": [
            {"name": "Ana (the first)", "email": "ana@example.org"},
            {"name": "cy@x.org", "email": "cy@x.org"},
        ],
    }
    kinds = [row["type"] for row in odd["externalReferences"]]
    assert kinds == ["distribution", "distribution", "issue-tracker", "other", "bom", "bom"]
    assert [part["name"] for part in odd["components"]] == ["zlib", "zlib"]
    needs = {row["ref"]: row["dependsOn"] for row in document["dependencies"]}
    assert needs["project"] == [SINGLE.ref]
    assert needs[SINGLE.ref] == sorted([ODD.ref, LOCAL.ref])
    unknown = [row for row in document["compositions"] if row["aggregate"] == "unknown"]
    assert ODD.ref not in unknown[0]["assemblies"]
    assert SINGLE.ref in unknown[0]["assemblies"]  # nobody has looked into its wheel


def test_what_spdx_says() -> None:
    document = spdx(ALL)
    rows = {row["name"]: row for row in document["packages"]}
    assert rows["core"]["checksums"] == [{"algorithm": "SHA256", "checksumValue": SHA}]
    assert rows["core"]["downloadLocation"] == "https://example.org/core.whl"
    assert rows["odd"]["downloadLocation"] == "NOASSERTION"
    assert rows["odd-1.whl"]["checksums"] == [{"algorithm": "SHA256", "checksumValue": SHA}]
    assert rows["odd"]["supplier"] == "Person: Ana [the first] (ana@example.org)"
    assert rows["core"]["supplier"] == "NOASSERTION"
    assert rows["v"]["downloadLocation"] == "git+https://x.org/v@abc"
    assert rows["lib"]["licenseDeclared"] == "NOASSERTION"
    assert [one["licenseId"] for one in document["hasExtractedLicensingInfos"]] == [
        "LicenseRef-Ours"
    ]
    kinds = {
        (row["relationshipType"], row["relatedSpdxElement"]) for row in document["relationships"]
    }
    assert ("DESCRIBES", "SPDXRef-Project") in kinds
    assert ("DISTRIBUTION_ARTIFACT", "SPDXRef-Package-odd-1.0-local.1-file-1") in kinds


@pytest.mark.parametrize(
    ("given", "purl"),
    [
        (("a-b", "1.0+x"), "pkg:pypi/a-b@1.0%2Bx"),
        (("a", ""), "pkg:pypi/a"),
        (
            ("a", "1!2", "https://h.org/s?x=1&y"),
            "pkg:pypi/a@1%212?repository_url=https://h.org/s%3Fx%3D1%26y",
        ),
    ],
)
def test_package_urls(given: tuple[str, ...], purl: str) -> None:
    name, version, *index = given
    assert package_url(name, version, repository_url=index[0] if index else "") == purl


NESTED = {
    "bomFormat": "CycloneDX",
    "components": [
        {"name": "a\x1b[31m", "version": 7, "components": [{"name": "b", "purl": "pkg:x/b c"}]},
        {"version": "nameless"},
        "no table",
    ],
}
PACKAGES = {
    "spdxVersion": "SPDX-2.2",
    "packages": [
        {
            "name": "c",
            "versionInfo": "1",
            "externalRefs": [
                {"referenceLocator": "cpe:2.3:a"},
                {"referenceLocator": "pkg:cargo/c@1"},
            ],
        }
    ],
}


def test_documents_of_others() -> None:
    assert parts(json.dumps(NESTED).encode()) == (
        Part(name="a[31m", version="", purl=None),
        Part(name="b", version="", purl=None),
    )
    assert parts(json.dumps(PACKAGES).encode()) == (
        Part(name="c", version="1", purl="pkg:cargo/c@1"),
    )


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"<xml/>", b'{"a": 1}', b"[" * 100_000, b"\xff"]
)
def test_what_is_no_document(data: bytes) -> None:
    assert parts(data) is None
    assert recorded(data) is None
    assert components(data, "x") is None


def test_a_document_without_packages_is_refused() -> None:
    with pytest.raises(InputError, match="lists no package of PyPI"):
        components(json.dumps(PACKAGES).encode(), "x")
