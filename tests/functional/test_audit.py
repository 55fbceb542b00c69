"""``advisories`` and ``audit``: what a user sees, and that nothing is called clean that was not asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

import support
from support import Index, Project, make_wheel
from support.advisories import GRAVE, archive, now, record

SCHEMA = Path(support.__file__).parent / "sarif-2.1.0.json"
BELOW_2 = [[("introduced", "0"), ("fixed", "2.0")]]


@pytest.fixture
def shop(project: Project, index: Index, tmp_path: Path) -> Project:
    """``web`` needs ``core``; ``core`` below 2 is known to be vulnerable. Locked, not synced."""
    for version in ("1.0", "2.0"):
        index.add(make_wheel(tmp_path / "w", "core", version))
    index.add(make_wheel(tmp_path / "w", "web", "1.0", requires=["core"]))
    index.add(make_wheel(tmp_path / "w", "tool", "1.0"))
    project.depends("web", "core<2", groups={"dev": ["tool"]})
    project.ok("lock")
    return project


def learn(project: Project, *records: Any, kev: Path | None = None) -> None:
    path = archive(project.home / "all.zip", records)
    words = [str(path), *(["--kev", str(kev)] if kev else [])]
    project.ok("advisories", "import", *words, "--force")


def test_without_advisories_nothing_is_called_clean(shop: Project) -> None:
    for words in (["audit"], ["advisories", "status"]):
        said = shop.fails(3, *words).stderr
        assert "there are no advisories on this machine" in said
        assert "`provenv advisories update` fetches them" in said


def test_a_finding_names_package_path_environment_and_fix(shop: Project) -> None:
    learn(shop, record("PYSEC-1", "core", ranges=BELOW_2, aliases=["CVE-1"], cvss=GRAVE))
    result = shop.fails(1, "audit", "--offline")
    lines = result.stdout.splitlines()
    assert lines[0] == "core 1.0  dev, test, staging, prod"
    assert "web → core" in result.stdout
    assert "critical 9.8  PYSEC-1  CVE-1  fixed in 2.0" in result.stdout
    assert lines[-1].startswith("fail: shop: 1 vulnerability in 1 package of 3 (advisories ")
    told = shop.fails(1, "audit", "--json").json
    (found,) = told["findings"]
    assert (found["package"], found["version"], found["fixed"]) == ("core", "1.0", ["2.0"])
    assert found["paths"] == [["core<2"], ["web", "core"]]
    assert told["verdict"] == "fail"
    assert shop.fails(1, "audit", "--quiet").stdout == ""


def test_a_clean_lock_passes_and_names_the_data(shop: Project) -> None:
    learn(shop, record("PYSEC-1", "core", ranges=[[("introduced", "2.0")]]))
    said = shop.ok("audit").stdout
    digest = shop.ok("advisories", "status", "--json").json["digest"]
    assert said.startswith(
        f"pass: shop: nothing known against 3 packages (advisories {digest[:12]}, "
    )


def test_one_environment_alone(shop: Project) -> None:
    learn(shop, record("PYSEC-1", "tool", versions=["1.0"]))
    shop.fails(1, "audit")
    shop.fails(1, "audit", "-e", "dev")
    assert "shop, prod" in shop.ok("audit", "-e", "prod").stdout


def test_what_is_installed_is_not_what_is_locked(shop: Project, tmp_path: Path) -> None:
    learn(shop, record("PYSEC-1", "stray", versions=["0.1"]))
    shop.fails(2, "audit", "--installed")
    shop.ok("sync")
    shop.ok("audit", "--installed")
    site = next((shop.folder / ".venv/current/lib").glob("*/site-packages"))
    info = site / "stray-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: Stray\nVersion: 0.1\n")
    assert "stray 0.1" in shop.fails(1, "audit", "--installed").stdout
    assert "stray 0.1" in shop.fails(1, "audit", str(shop.folder / ".venv/current")).stdout
    shop.ok("audit")


def test_what_nothing_can_be_said_of_is_inconclusive(shop: Project) -> None:
    learn(shop, record("PYSEC-1", "core", ranges=[[("introduced", "0"), ("fixed", "two")]]))
    assert "perhaps: its versions cannot be compared" in shop.fails(3, "audit").stdout
    learn(shop, record("PYSEC-1", "core", versions=["9"]))
    shop.write(
        "requirements.txt", "core==1.0\nlocal @ file:///nowhere/local-1.0-py3-none-any.whl\n"
    )
    told = shop.fails(3, "audit", "requirements.txt", "--json").json
    assert [row["package"] for row in told["unaudited"]] == ["local"]
    assert told["verdict"] == "inconclusive"


@pytest.mark.slow
def test_old_data_proves_nothing(shop: Project) -> None:
    long_ago = (datetime.now(UTC) - timedelta(days=60)).isoformat()
    learn(shop, record("PYSEC-1", "other", modified=long_ago))
    assert "the newest advisory is of" in shop.fails(3, "audit").stdout
    learn(shop, record("PYSEC-1", "other", modified="2999-01-01T00:00:00Z"))
    assert "is to come" in shop.fails(3, "audit").stdout
    # and what is known is known all the same
    learn(shop, record("PYSEC-1", "core", modified=long_ago, versions=["1.0"]))
    shop.fails(1, "audit")


def test_locks_of_others_and_sboms(shop: Project) -> None:
    learn(shop, record("PYSEC-1", "core", ranges=BELOW_2))
    shop.write("requirements.txt", "core==1.0\n")
    assert "core 1.0" in shop.fails(1, "audit", "requirements.txt").stdout
    bom = {
        "bomFormat": "CycloneDX",
        "components": [{"components": [{"purl": "pkg:pypi/core@1.0"}]}],
    }
    spdx = {
        "spdxVersion": "SPDX-2.3",
        "packages": [{"externalRefs": [{"referenceLocator": "pkg:pypi/core@1.0?x=y"}]}],
    }
    for number, document in enumerate((bom, spdx)):
        shop.write(f"{number}.json", json.dumps(document))
        assert "core 1.0" in shop.fails(1, "audit", f"{number}.json").stdout
    shop.write("empty.json", json.dumps({"bomFormat": "CycloneDX", "components": []}))
    assert "lists no package of PyPI" in shop.fails(2, "audit", "empty.json").stderr
    shop.write("requirements.txt", "core>=1.0\n")
    shop.fails(3, "audit", "requirements.txt")


@pytest.mark.slow
def test_sarif_and_junit(shop: Project) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    learn(shop, record("PYSEC-1", "core", ranges=BELOW_2, cvss=GRAVE, summary="bad \x00 <&>"))
    document = shop.fails(1, "audit", "--format", "sarif").json
    jsonschema.validate(document, json.loads(SCHEMA.read_text()))
    (run,) = document["runs"]
    (rule,) = run["tool"]["driver"]["rules"]
    assert rule["properties"] == {"security-severity": "9.8"}
    assert (
        run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        == "pylock.toml"
    )
    shop.fails(1, "audit", "--format", "junit", "--output", "audit.xml")
    suite = ET.fromstring(shop.read("audit.xml"))[0]  # our own
    assert (suite.get("tests"), suite.get("failures")) == ("3", "1")
    shop.fails(2, "audit", "--output", "x")
    shop.fails(2, "audit", "--format", "sarif", "--json")
    shop.fails(2, "audit", "requirements.txt", "--installed")


def test_exploited_is_told(shop: Project) -> None:
    row = {
        "cveID": "CVE-1", "dateAdded": "2026-01-01", "dueDate": "2026-02-01",
        "vulnerabilityName": "x", "knownRansomwareCampaignUse": "Unknown",
    }  # fmt: skip
    kev = shop.write(
        "kev.json", json.dumps({"dateReleased": "2026-01-01", "vulnerabilities": [row]})
    )
    learn(shop, record("PYSEC-1", "core", ranges=BELOW_2, aliases=["CVE-1"]), kev=kev)
    assert "exploited since 2026-01-01" in shop.fails(1, "audit").stdout
    newer = {"dateReleased": "2026-02-01", "vulnerabilities": [row]}
    shop.write("kev.json", json.dumps(newer))
    words = ("advisories", "import", "--kev", "kev.json")
    assert "nothing new" not in shop.ok(*words).stderr
    assert "nothing new" in shop.ok(*words).stderr


@pytest.mark.slow
def test_what_cannot_be_imported_leaves_what_is_there(shop: Project, tmp_path: Path) -> None:
    learn(shop, *(record(f"PYSEC-{n}", "core", versions=["9"]) for n in range(20)))
    before = shop.ok("advisories", "status", "--json").json["digest"]
    bad = tmp_path / "bad.zip"
    whole = (shop.home / "all.zip").read_bytes()
    for code, data in ((2, b""), (2, whole[:100]), (2, b"<html>")):
        bad.write_bytes(data)
        assert "stay" in shop.fails(code, "advisories", "import", str(bad)).stderr
    few = archive(tmp_path / "few.zip", [record("PYSEC-1", "core")])
    assert (
        "has 1 advisories, and 20 are here"
        in shop.fails(1, "advisories", "import", str(few)).stderr
    )
    old = archive(
        tmp_path / "old.zip",
        [record(f"PYSEC-{n}", "core", modified="2020-01-01T00:00:00Z") for n in range(20)],
    )
    assert "is of 2020" in shop.fails(1, "advisories", "import", str(old)).stderr
    shop.fails(2, "advisories", "import", str(tmp_path / "nowhere.zip"))
    shop.fails(2, "advisories", "import")
    assert shop.ok("advisories", "status", "--json").json["digest"] == before
    shop.ok("advisories", "import", str(few), "--force")


def test_damaged_advisories_are_not_used(shop: Project) -> None:
    learn(shop, record("PYSEC-1", "core", versions=["9"]))
    (path,) = (shop.home / "provenv/advisories").glob("advisories-*.sqlite")
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert "its bytes are not those that were written" in shop.fails(3, "audit").stderr
    learn(shop, record("PYSEC-1", "core", versions=["9"]))
    shop.ok("audit")


class Mirror:
    """A mirror of OSV on loopback; every path that was asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "PyPI"
        self.folder.mkdir(parents=True)
        self.asked: list[str] = []
        mirror = self

        class Handler(SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                mirror.asked.append(self.path)
                super().do_GET()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/PyPI/all.zip"

    def put(self, *records: dict[str, Any]) -> None:
        archive(self.folder / "all.zip", records)
        for one in records:
            (self.folder / f"{one['id']}.json").write_text(json.dumps(one))
        lines = [f"{one['modified']},{one['id']}\n" for one in records]
        (self.folder / "modified_id.csv").write_text("".join(lines))


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Mirror]:
    made = Mirror(tmp_path / "mirror")
    yield made
    made.server.shutdown()
    made.server.server_close()


def update(shop: Project, mirror: Mirror) -> Any:
    mirror.asked.clear()
    return shop.ok("advisories", "update", "--url", mirror.url, "--json").json


def counts(told: Any) -> Sequence[int]:
    return told["added"], told["changed"], told["removed"]


def test_an_update_fetches_only_what_has_changed(shop: Project, mirror: Mirror) -> None:
    records = [record(f"PYSEC-{n}", "core", versions=["9"]) for n in range(20)]
    mirror.put(*records)
    assert counts(update(shop, mirror)) == (20, 0, 0)
    assert counts(update(shop, mirror)) == (0, 0, 0)
    assert mirror.asked == ["/PyPI/modified_id.csv"]
    later = (datetime.now(UTC) + timedelta(seconds=5)).isoformat()
    changed = record("PYSEC-3", "core", versions=["1.0"], modified=later)
    mirror.put(*records[:3], changed, *records[4:19], record("PYSEC-99", "core", versions=["9"]))
    assert counts(update(shop, mirror)) == (1, 1, 1)
    assert sorted(mirror.asked) == [
        "/PyPI/PYSEC-3.json", "/PyPI/PYSEC-99.json", "/PyPI/modified_id.csv",
    ]  # fmt: skip
    assert "PYSEC-3" in shop.fails(1, "audit").stdout


def test_a_source_that_does_not_answer_changes_nothing(shop: Project, mirror: Mirror) -> None:
    mirror.put(record("PYSEC-1", "core", versions=["9"]))
    before = update(shop, mirror)["advisories"]["digest"]
    for path in mirror.folder.iterdir():
        path.unlink()
    assert "404" in shop.fails(3, "advisories", "update", "--url", mirror.url).stderr
    shop.fails(2, "advisories", "update", "--offline")
    assert shop.ok("advisories", "status", "--json").json["digest"] == before


def test_times_of_the_support_are_of_today() -> None:
    assert datetime.now(UTC) - datetime.fromisoformat(now()) < timedelta(minutes=1)
