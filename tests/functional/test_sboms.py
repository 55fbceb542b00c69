"""``sbom``: a bill of what is locked or installed, valid, repeatable, and readable by the audit."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from support import Index, Project, make_wheel
from support.advisories import GRAVE, archive, record
from support.policies import waiver
from support.sboms import connected, valid
from support.wheels import metadata_text

BUNDLED = {"bomFormat": "CycloneDX", "components": [{"name": "zlib", "version": "1.3"}]}


@pytest.fixture
def shop(project: Project, index: Index, tmp_path: Path) -> Project:
    """``web`` needs ``core``, which bundles zlib (PEP 770); ``core`` is for two platforms."""
    text = metadata_text("core", "1.0") + "License-Expression: MIT\nAuthor: Ana\n"
    files = {"core.py": "", "core-1.0.dist-info/sboms/zlib.json": json.dumps(BUNDLED)}
    for tag in ("py3-none-any", "cp311-cp311-win_amd64"):
        index.add(make_wheel(tmp_path / tag, "core", "1.0", metadata=text, files=files, tag=tag))
    index.add(make_wheel(tmp_path / "w", "web", "1.0", requires=["core"]))
    index.add(make_wheel(tmp_path / "w", "tool", "1.0"))
    project.depends("web", groups={"dev": ["tool"]})
    project.ok("lock")
    return project


def row(document: Any, name: str) -> Any:
    (found,) = (one for one in document["components"] if one["name"] == name)
    return found


def test_a_lock_as_cyclonedx(shop: Project, index: Index) -> None:
    document = shop.ok("sbom", "-e", "prod").json
    valid(document)
    connected(document)
    assert [one["name"] for one in document["components"]] == ["core", "web"]
    core = row(document, "core")
    assert core["licenses"][0]["expression"] == "MIT"
    assert core["supplier"]["name"] == "Ana"
    assert core["purl"].startswith("pkg:pypi/core@1.0?repository_url=http://127.0.0.1:")
    hashes = {ref["comment"]: ref["hashes"][0]["content"] for ref in core["externalReferences"]}
    assert len(hashes) == 2
    assert document["metadata"]["timestamp"] == "2024-01-01T00:00:00Z"  # of the youngest file
    asked = len(index.requests)
    again = shop.ok("sbom", "-e", "prod", "-o", ".", "--json", "--offline").json
    assert again["document"] == document
    assert again["unknown"] == []
    assert len(index.requests) == asked
    assert json.loads(shop.read("sbom.prod.cdx.json")) == document


@pytest.mark.slow
def test_what_is_installed_as_spdx(shop: Project, tmp_path: Path) -> None:
    shop.fails(2, "sbom", "-e", "prod", "--installed")
    shop.ok("sync", "-e", "prod")
    site = next((shop.folder / ".venvs/prod/current/lib").glob("*/site-packages"))
    info = site / "stray-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: Stray\nVersion: 0.1\nRequires-Dist: core ; extra == 'x'\n"
    )
    for form in ("spdx", "cyclonedx"):
        valid(shop.ok("sbom", "-e", "prod", "--installed", "--format", form).json)
    document = shop.ok("sbom", "-e", "prod", "--installed", "--format", "spdx").json
    connected(document)
    names = {one["name"]: one for one in document["packages"]}
    assert {"core", "web", "stray", "zlib"} <= names.keys()
    wheel = (tmp_path / "py3-none-any/core-1.0-py3-none-any.whl").read_bytes()
    (checksum,) = names["core"]["checksums"]
    assert checksum["checksumValue"] == hashlib.sha256(wheel).hexdigest()
    assert "checksums" not in names["stray"]  # provenv knows nothing of where it is from
    needs = {
        (one["spdxElementId"], one["relatedSpdxElement"])
        for one in document["relationships"]
        if one["relationshipType"] == "DEPENDS_ON"
    }
    assert needs == {
        ("SPDXRef-Project", "SPDXRef-Package-web-1.0"),
        ("SPDXRef-Project", "SPDXRef-Package-stray-0.1"),
        ("SPDXRef-Package-web-1.0", "SPDXRef-Package-core-1.0"),
    }
    for url, purl in (
        ("https://u:p@a.org/x.whl", "pkg:pypi/stray@0.1?download_url=https://a.org/x.whl"),
        ("file:///x", None),
    ):
        (info / "direct_url.json").write_text(json.dumps({"url": url}))
        document = shop.ok("sbom", "-e", "prod", "--installed").json
        assert row(document, "stray").get("purl") == purl
    (info / "METADATA").write_text("nonsense")
    assert "cannot be read" in shop.fails(2, "sbom", "-e", "prod", "--installed").stderr


@pytest.mark.slow
def test_the_audit_reads_what_is_written(shop: Project) -> None:
    names = archive(shop.home / "all.zip", [record("PYSEC-1", "core", versions=["1.0"])])
    shop.ok("advisories", "import", str(names))
    for form in ("cyclonedx", "spdx"):
        shop.ok("sbom", "-e", "prod", "--format", form, "-o", "x.json")
        assert "core 1.0" in shop.fails(1, "audit", "x.json").stdout


@pytest.mark.slow
def test_what_is_bundled_is_seen_once_the_wheel_is_here(shop: Project) -> None:
    before = shop.ok("sbom", "-e", "prod", "--offline")
    valid(before.json)
    assert "without metadata: core 1.0, web 1.0: " in before.stderr
    assert "components" not in row(before.json, "core")
    unknown = [one for one in before.json["compositions"] if one["aggregate"] == "unknown"]
    assert len(unknown[0]["assemblies"]) == 2
    shop.ok("sync", "-e", "prod")
    document = shop.ok("sbom", "-e", "prod", "--offline").json
    valid(document)
    assert [one["name"] for one in row(document, "core")["components"]] == ["zlib"]
    (told,) = (r for r in row(document, "core")["externalReferences"] if r["type"] == "bom")
    sha256 = hashlib.sha256(json.dumps(BUNDLED).encode()).hexdigest()
    assert told["hashes"] == [{"alg": "SHA-256", "content": sha256}]


@pytest.mark.slow
def test_an_index_that_does_not_answer_leaves_a_document(shop: Project, index: Index) -> None:
    index.fault("*", cut=-1)
    made = shop.ok("sbom", "-e", "prod")
    valid(made.json)
    assert "without metadata: core 1.0, web 1.0: http://127.0.0.1:" in made.stderr
    assert "/ does not answer\n" in made.stderr
    assert len(made.json["components"]) == 2
    index.heal()
    index.fault("*.metadata", wrong=True)
    assert "another hash than its page says" in shop.ok("sbom", "-e", "prod").stderr
    index.heal()
    assert shop.ok("sbom", "-e", "prod").stderr == ""


@pytest.mark.slow
def test_times_and_files(shop: Project) -> None:
    env = {"SOURCE_DATE_EPOCH": "86400"}
    document = shop.ok("sbom", "--format", "spdx", env=env).json
    assert document["creationInfo"]["created"] == "1970-01-02T00:00:00Z"
    assert "no number" in shop.fails(2, "sbom", env={"SOURCE_DATE_EPOCH": "now"}).stderr
    shop.write("mine.json", "{}")
    assert "not overwritten" in shop.fails(2, "sbom", "-o", "mine.json").stderr
    assert shop.read("mine.json") == "{}"
    two = ("-e", "dev", "-e", "prod")
    shop.fails(2, "sbom", *two)
    shop.ok("sbom", *two, "-o", ".")
    assert (shop.folder / "sbom.dev.cdx.json").exists()
    assert "nothing to do" in shop.ok("sbom", "-e", "prod", "-o", ".").stderr
    shop.depends("web", "tool")
    shop.fails(1, "sbom")
    (shop.folder / "pylock.toml").unlink()
    shop.fails(2, "sbom")


@pytest.mark.slow
def test_a_rule_asks_for_one(shop: Project) -> None:
    shop.ok("sync", "-e", "prod")
    rule = '[[rule]]\nid = "bom"\nkind = "sbom-required"\nenvironments = ["prod"]\n'
    shop.write("provenv-policy.toml", f"schema = 1\n{rule}")
    said = shop.fails(1, "policy", "check").stdout
    assert "SBOM of prod" in said
    assert "`provenv sbom -e prod -o .` writes it" in said
    shop.ok("policy", "check", "-e", "dev")
    shop.ok("sbom", "-e", "prod", "-o", ".")
    shop.ok("policy", "check")
    whole = shop.read("sbom.prod.cdx.json")
    shop.write("sbom.prod.cdx.json", whole.replace("pkg:pypi/core@1.0", "pkg:pypi/core@2.0"))
    assert "does not list core 1.0" in shop.fails(1, "policy", "check").stdout
    (shop.folder / "sbom.prod.cdx.json").unlink()
    assert "SBOM of prod" in shop.fails(1, "run", "-e", "prod", "true").stderr
    shop.ok("sbom", "-e", "prod", "--installed", "-o", ".")  # says nothing of other platforms
    assert "for which lock" in shop.fails(1, "policy", "check").stdout
    (shop.folder / "sbom.prod.cdx.json").unlink()
    shop.ok("sbom", "-e", "dev", "-o", "sbom.prod.spdx.json", "--format", "spdx")
    assert "is of environment 'dev'" in shop.fails(1, "policy", "check").stdout
    shop.write("sbom.prod.cdx.json", whole)
    shop.ok("policy", "check")  # one that is right is enough
    shop.ok("run", "-e", "prod", "true")
    shop.write("sbom.prod.cdx.json", "{}")
    shop.fails(1, "run", "-e", "prod", "true")  # though there was a verdict a moment ago
    shop.write("sbom.prod.cdx.json", whole)
    shop.depends("web", "tool")
    shop.ok("lock")
    assert "was written for another lock" in shop.fails(1, "policy", "check").stdout


VULNS = 'schema = 1\n[[rule]]\nid = "vulns"\nkind = "vulnerability"\n'


@pytest.mark.slow
def test_what_is_waived_is_not_called_harmless(shop: Project) -> None:
    ranges = [[("introduced", "0"), ("fixed", "2.0")]]
    known = [
        record("PYSEC-1", "core", ranges=ranges, aliases=["CVE-1"], cvss=GRAVE),
        record("PYSEC-2", "core", ranges=ranges),
    ]
    shop.ok("advisories", "import", str(archive(shop.home / "all.zip", known)))
    today = datetime.now(UTC).date()
    policy = VULNS + waiver(today, today + timedelta(days=9))
    shop.write("provenv-policy.toml", policy)
    document = shop.fails(1, "audit", "--format", "vex").json
    valid(document)
    rows = {row["id"]: row for row in document["vulnerabilities"]}
    assert rows["PYSEC-1"]["analysis"]["state"] == "exploitable"
    assert rows["PYSEC-1"]["analysis"]["response"] == ["will_not_fix"]
    assert rows["PYSEC-1"]["analysis"]["detail"].startswith("not reachable (Waived by ana")
    assert rows["PYSEC-2"]["analysis"] == {"state": "in_triage"}
    bom = shop.ok("sbom", "-e", "prod").json
    assert rows["PYSEC-1"]["affects"][0]["ref"] == row(bom, "core")["bom-ref"]
    # another rule that refuses it all the same
    more = '[[rule]]\nid = "grave"\nkind = "vulnerability"\nmin-cvss = 9\n'
    shop.write("provenv-policy.toml", f"{policy}{more}")
    document = shop.fails(1, "audit", "--format", "vex").json
    states = {row["id"]: row["analysis"]["state"] for row in document["vulnerabilities"]}
    assert states == {"PYSEC-1": "in_triage", "PYSEC-2": "in_triage"}


@pytest.mark.slow
def test_other_tools_read_it(shop: Project) -> None:
    """By the parser of the CycloneDX project itself."""
    model = pytest.importorskip(
        "cyclonedx.model.bom", reason="cyclonedx-python-lib is not installed"
    )
    shop.ok(
        "advisories",
        "import",
        str(archive(shop.home / "all.zip", [record("PYSEC-1", "core", versions=["1.0"])])),
    )
    shop.ok("sync", "-e", "prod")
    vex = shop.fails(1, "audit", "--format", "vex").json
    bom = model.Bom.from_json(vex)
    (found,) = bom.vulnerabilities
    assert found.id == "PYSEC-1"
    assert found.analysis.state.value == "in_triage"
    bom = model.Bom.from_json(shop.ok("sbom", "-e", "prod").json)
    assert {one.name for one in bom.components} == {"core", "web"}
    assert bom.validate()
