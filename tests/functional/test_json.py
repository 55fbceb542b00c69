"""``--json``: one document, nothing else, with the keys that the reference page names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from support import Project, make_source
from support.advisories import archive, record

PAGE = Path(__file__).parents[2] / "docs/reference/json.md"
# Below these, the page says what is there in words.
OPEN = (
    "error.details", "document.", "signed.", "records[].actor", "records[].subject", "records[].locks",
    "records[].details", "findings[].exploited.", "decisions[].waiver.", "interrupted[].", "interrupted.",
    "operations[].actor", "operations[].before", "operations[].after", "operations[].error", "unused.",
    "rule.", "sync.", "before.", "after.",
    "syncs[].", "tree[].children[]", "results[].result", "results[].error",
    "projects[].new[].", "projects[].gone[].", "projects[].error.",
)  # fmt: skip


BROKEN = "import importlib.metadata as m; exit(m.version('core') == '1.0')"
POLICY = """
schema = 1
[[rule]]
id = "vulns"
kind = "vulnerability"
[[waiver]]
rule = "vulns"
package = "other"
versions = "==1"
reason = "x"
owner = "a"
approver = "b"
created = 2026-11-01
expires = 2026-11-02
"""


def documented() -> dict[str, set[str]]:
    """Schema → paths of keys, from the page's tables."""
    found: dict[str, set[str]] = {}
    schema = ""
    for line in PAGE.read_text().splitlines():
        if heading := re.match(r"## (provenv\S+)", line):
            schema = heading[1]
            found[schema] = set()
        elif row := re.match(r"\| `([^`]+)` \|", line):
            found[schema].add(row[1])
    return found


def paths(value: Any, at: str = "") -> set[str]:
    """The path of every key in a document; lists as ``[]``."""
    if isinstance(value, dict):
        found = set()
        for key, inner in value.items():
            here = f"{at}.{key}" if at else key
            below = paths(inner, here)
            if not isinstance(inner, dict) or not inner:
                found.add(here)
            found |= below
        return found
    if isinstance(value, list):
        return set().union(*(paths(item, f"{at}[]") for item in value))
    return set()


def check(document: dict[str, Any], schema: str) -> None:
    assert document.pop("schema") == schema
    known = documented()[re.sub(r"\.\w+-many/", ".VERB-many/", schema)]
    seen = {p for p in paths(document) if not p.startswith(OPEN)}
    parents = {p.rpartition(".")[0] for p in known}
    assert seen <= known, f"not on the page: {sorted(seen - known)}"
    flat = {p for p in known if "." not in p and "[" not in p}
    assert flat <= set(document), f"not written: {sorted(flat - set(document))}"
    for path in known:  # nested keys are there wherever their parent holds something
        parent = path.rpartition(".")[0]
        if parent and any(p.startswith(f"{parent}.") for p in seen):
            assert path in seen or path in parents or path.startswith(OPEN), path


@pytest.mark.usefixtures("shelf")
def test_every_command(project: Project) -> None:
    def told(*words: str, code: int = 0) -> dict[str, Any]:
        result = project.fails(code, *words, "--json")
        document: dict[str, Any] = result.json
        return document

    check(told("--version"), "provenv.version/1")
    check(told("init"), "provenv.init/1")
    check(told("add", "web"), "provenv.add/1")
    check(told("add", "core<2", "--no-sync"), "provenv.add/1")
    check(told("status", code=1), "provenv.status/1")
    check(told("sync"), "provenv.sync/1")
    check(told("status"), "provenv.status/1")
    two = ("-e", "dev", "-e", "prod")
    check(told("sync", *two), "provenv.sync-many/1")
    check(told("status", *two), "provenv.status-many/1")
    check(told("verify", *two), "provenv.verify-many/1")
    check(told("lock", "--upgrade"), "provenv.lock/1")
    check(told("remove", "core"), "provenv.remove/1")
    check(told("lock", "--upgrade", "--dry-run"), "provenv.lock/1")
    check(told("tree"), "provenv.tree/1")
    check(told("why", "core"), "provenv.why/1")
    check(told("outdated"), "provenv.outdated/1")
    project.write("requirements.txt", "web\n")
    check(told("doctor", "--only", "PV121"), "provenv.doctor/1")
    check(told("doctor", "--explain", "PV104"), "provenv.doctor-rule/1")
    check(told("isolation"), "provenv.isolation/1")
    check(told("history"), "provenv.history/1")
    check(told("log", "-n", "3"), "provenv.log/1")
    check(told("log", "--check"), "provenv.log-check/1")
    check(told("diff"), "provenv.diff/1")
    check(told("diff", *two), "provenv.diff-environments/1")
    words = ("--good", "1", "--bad", "2", "--", "python", "-c", BROKEN)
    check(project.ok("bisect", "--json", *words).json, "provenv.bisect/1")
    check(told("rollback"), "provenv.rollback/1")
    project.write(".venv/current/bin/extra", "")
    check(told("verify", code=1), "provenv.verify/1")
    check(told("sync"), "provenv.sync/1")
    check(told("env", "edit", "web"), "provenv.env-edit/1")
    project.write(".venv/current/bin/extra", "")
    (copy,) = project.folder.glob(".venv/lib/*/site-packages/web")
    (copy / "__init__.py").write_text("mine = True\n")
    check(told("status", code=1), "provenv.status/1")
    check(told("env", "edit", "--diff", "web"), "provenv.env-edit-diff/1")
    check(told("sync"), "provenv.sync/1")
    check(told("verify"), "provenv.verify/1")
    check(told("history"), "provenv.history/1")
    check(told("env", "edit", "--discard", "web"), "provenv.env-edit/1")
    (victim,) = project.home.glob("provenv/store/wheels/*/*/site/web/__init__.py")
    victim.chmod(0o644)
    victim.write_text("evil = True\n")
    check(told("verify", code=1), "provenv.verify/1")
    check(told("env", "list"), "provenv.env-list/1")
    check(told("env", "prune", "--older-than", "0d", "--dry-run"), "provenv.env-prune/1")
    check(told("env", "create", "docs", "--with", "tool"), "provenv.env-create/1")
    check(told("env", "create", "ml", "--global"), "provenv.env-create/1")
    check(told("env", "path", "docs"), "provenv.env-path/1")
    check(told("env", "remove", "docs", "--yes", "--undeclare"), "provenv.env-remove/1")
    check(told("env", "remove", "ml", "--yes"), "provenv.env-remove/1")
    check(told("repair", code=1), "provenv.repair/1")  # somebody added a file
    check(told("store", "path"), "provenv.store-path/1")
    check(told("store", "list"), "provenv.store-list/1")
    check(told("store", "gc", "--keep", "0", "--dry-run"), "provenv.store-gc/1")
    check(told("python", "list"), "provenv.python-list/1")
    check(told("python", "find"), "provenv.python-find/1")
    check(told("python", "pin", code=1), "provenv.python-pin/1")
    check(told("python", "upgrade"), "provenv.python-upgrade/1")
    project.write("requirements.txt", "tool==3.1\n")
    check(told("import", "requirements.txt"), "provenv.import/1")
    check(told("export"), "provenv.export/1")
    check(told("activate", "--shell", "zsh"), "provenv.activate/1")
    check(told("hook", "fish"), "provenv.hook/1")
    check(told("allow"), "provenv.allow/1")
    check(told("allow", "--list"), "provenv.allow-list/1")
    check(told("disallow"), "provenv.disallow/1")
    check(told("completion", "bash"), "provenv.completion/1")
    names = archive(
        project.folder / "all.zip", [record("PYSEC-1", "core", ranges=[[("introduced", "0")]])]
    )
    check(told("advisories", "import", str(names)), "provenv.advisories-import/1")
    check(told("advisories", "update", "--url", str(names)), "provenv.advisories-update/1")
    check(told("advisories", "status"), "provenv.advisories-status/1")
    check(told("audit", code=1), "provenv.audit/1")
    check(told("sbom", "--offline"), "provenv.sbom/1")
    check(told("audit", "--all", code=1), "provenv.audit-many/1")
    check(told("audit", "--fix", "--dry-run", code=1), "provenv.audit-fix/1")
    check(told("upgrade", "--dry-run", code=1), "provenv.upgrade/1")
    project.write("provenv-policy.toml", POLICY)
    check(told("policy", "check", code=1), "provenv.policy-check/1")
    check(told("outdated", "--policy", code=1), "provenv.outdated-policy/1")
    check(told("policy", "explain", "vulns"), "provenv.policy-explain/1")
    draft = str(project.write("draft.toml", POLICY.replace("vulns", "others")))
    check(told("policy", "simulate", draft), "provenv.policy-simulate/1")
    case = '[[case]]\nname = "a"\npackage = "b"\nversion = "1"\nexpect = "pass"\n'
    check(told("policy", "test", str(project.write("cases.toml", case))), "provenv.policy-test/1")
    check(told("report", "compliance"), "provenv.report-compliance/1")
    check(told("evidence", "show", "-n", "2"), "provenv.evidence-show/1")
    check(told("evidence", "key", "new", "audit"), "provenv.evidence-key/1")
    check(told("evidence", "checkpoint"), "provenv.evidence-checkpoint/1")
    check(told("evidence", "verify"), "provenv.evidence-verify/1")
    check(told("evidence", "export", "--output", "v.jsonl"), "provenv.evidence-export/1")
    check(told("evidence", "seal", "--older-than", "1d"), "provenv.evidence-seal/1")
    (project.folder / "provenv-policy.toml").unlink()  # it leaves no version of core
    check(told("lock", "--sign"), "provenv.lock/1")
    check(project.ok("--json", "test", "true").json, "provenv.test/1")
    check(project.ok("--json", "test", "--list", "true").json, "provenv.test-list/1")
    project.write("tox.ini", "[tox]\nenv_list = py312\n")
    check(told("test", "--import", "tox.ini"), "provenv.test-import/1")
    check(project.ok("--json", "test", "--bounds", "true").json, "provenv.test-bounds/1")
    check(project.ok("--json", "test", "--ahead", "true").json, "provenv.test-ahead/1")
    check(told("ci", "github"), "provenv.ci/1")
    check(told("ci", "gitlab", "--stdout"), "provenv.ci/1")
    check(told("new", "other", "--no-git", "--offline", code=3), "provenv.new/1")


@pytest.mark.slow
def test_what_is_built_and_published(project: Project) -> None:
    make_source(project.folder, "shop", "1.0")
    built = project.ok("build", "--wheel", "--json").json
    check(dict(built), "provenv.build/1")
    (wheel,) = (project.folder / "dist").iterdir()
    assert (built["output"], built["files"]) == (str(wheel.parent), [str(wheel)])
    sent = project.ok("publish", "--dry-run", "--json").json
    check(dict(sent), "provenv.publish/1")
    assert (sent["files"], sent["dry_run"]) == ([str(wheel)], True)
    assert sent["url"].startswith("https://")


@pytest.mark.parametrize(
    ("words", "code", "kind"),
    [
        (("snyc",), 2, "usage"),
        (("sync", "--nope"), 2, "usage"),
        (("sync",), 2, "input"),
        (("run", "--json"), 2, "usage"),
        (("-C", "nowhere", "status"), 2, "usage"),
    ],
    ids=str,
)
def test_errors_are_documents_too(
    project: Project, words: tuple[str, ...], code: int, kind: str
) -> None:
    result = project.fails(code, "--json", *words)
    document = result.json
    assert document["error"]["kind"] == kind
    assert result.stderr == ""
    check(document, "provenv.error/1")
