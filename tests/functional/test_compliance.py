"""``report compliance``: what an auditor reads, and nothing that others wrote into it runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest

import provenv
from provenv.core.values import replace
from provenv.workspace.assuring import pages
from provenv.workspace.assuring.compliance import Compliance, gather
from provenv.workspace.governing import advisories, evidence, policies
from provenv.workspace.governing.auditing import Notice
from provenv.workspace.syncing.locking import lock
from support import Index, Project, make_wheel
from support.advisories import GRAVE, archive, record
from support.wheels import metadata_text

EVIL = "<script>alert(1)</script>|`x` [a](https://evil.example) \u202e"
VOID = {"meta", "line"}


def days_ago(days: int) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compliance]:
    """One vulnerability that is overdue, one in time, one waived; texts that would like to be more."""
    folder = tmp_path_factory.mktemp("report")
    with Index() as index:
        shop = Project(folder / "shop", home=folder / "home", index_url=index.url)
        yield _report(shop, index, folder)


def _report(project: Project, index: Index, tmp_path: Path) -> Compliance:
    for name in ("core", "tool", "side"):
        index.add(make_wheel(tmp_path / "w", name, "1.0"))
    project.depends("core", "tool", "side", more="[tool.provenv.evidence]\n")
    context = provenv.make_context(project.env, cause=f"provenv {EVIL}")
    opened = provenv.open_project(str(project.folder))
    lock(opened, context)
    provenv.sync(opened, context, environment="prod")
    rows = [("core", 40), ("tool", 5), ("side", 40)]
    known = [
        record(f"PYSEC-{name}", name, ranges=[[("introduced", "0")]], cvss=GRAVE, published=days_ago(age))
        for name, age in rows
    ]  # fmt: skip
    advisories.import_files(context, str(archive(tmp_path / "all.zip", known)))
    today = datetime.now(UTC).date()
    project.write(
        "provenv-policy.toml",
        f"""
        schema = 1
        [[rule]]
        id = "vulns"
        kind = "vulnerability"
        description = '''{EVIL}'''
        sla = {{ critical = "30d" }}
        [[waiver]]
        rule = "vulns"
        package = "side"
        versions = "==1.0"
        advisory = "PYSEC-side"
        reason = '''{EVIL}'''
        owner = "ana@example.org"
        approver = "bo@example.org"
        created = {today}
        expires = {today + timedelta(days=80)}
        """,
    )
    evidence.judged(opened, context, policies.check(opened, context))
    return gather(opened, context)


class Reader(HTMLParser):
    """What a browser would make of a page, as far as it matters here."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_findings_stand_against_their_deadlines(report: Compliance) -> None:
    said = {one.found.subject.name: (one.state, one.days, one.limit) for one in report.findings}
    assert said == {"core": ("overdue", 40, 30), "tool": ("due", 5, 30), "side": ("waived", 40, 30)}
    assert report.findings[0].found.subject.name == "core"
    assert report.checked is not None
    held = report.checked.policies.digest
    assert [(one.before, one.after) for one in report.changes] == [(None, held)]
    text = pages.as_markdown(report)
    assert "| Vulnerabilities | fail: 3 known, 1 overdue |" in text
    assert "no-checkpoint" in text.replace("\\", "")
    for control in ("6.3.2", "6.3.3", "10.5.1", "164.312(b)", "164.316(b)", "CC7.1", "CC8.1"):
        assert control in text.replace("\\", "")
    (prod,) = [one for one in report.inventory if one.environment == "prod"]
    assert (prod.generation, len(prod.packages)) == (1, 3)


def test_the_page_is_whole_and_nothing_in_it_runs(report: Compliance) -> None:
    page = pages.as_html(report)
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    tags = [tag for tag, _ in reader.seen]
    assert not {"script", "img", "iframe", "link", "object", "b"} & set(tags)
    assert tags.count("svg") == 2
    for tag, attributes in reader.seen:
        assert not any(name.startswith("on") or name in ("src", "action") for name in attributes)
        assert (attributes.get("href") or "#").startswith("#")
        if tag == "th":
            assert attributes["scope"] in ("row", "col")
        if tag == "svg":
            title, about = (attributes["aria-labelledby"] or "").split()
            ids = {held.get("id") for _, held in reader.seen}
            assert {title, about} <= ids
    assert reader.text.count("<script>alert(1)</script>|`x`") >= 3  # shown, in three places
    assert len({held["id"] for _, held in reader.seen if "id" in held}) == page.count(' id="')


def test_what_else_speaks_against_a_release_is_told(report: Compliance) -> None:
    assert report.audit is not None
    old = Notice(
        kind="python-eol", name="Python", version="3.8.18", environments=("prod",), text="ended", asked=None
    )  # fmt: skip
    more = replace(report, audit=replace(report.audit, findings=(), notices=(old,)), findings=())
    text = pages.as_markdown(more)
    assert "| Python 3.8.18 | python-eol | ended | prod |" in text
    assert "No vulnerability is known." in text
    assert "fail: 0 known, 0 overdue" in text


def test_markdown_tables_are_not_broken_out_of(report: Compliance) -> None:
    text = pages.as_markdown(report)
    assert "<script" not in text
    assert "https://" not in text
    assert not re.search(r"(?<!\\)\]\(", text)
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(widths) == 1, table


def test_what_is_not_there_is_said(project: Project, index: Index, tmp_path: Path) -> None:
    index.add(make_wheel(tmp_path / "w", "core", "1.0"))
    project.depends("core")
    lock(provenv.open_project(str(project.folder)), provenv.make_context(project.env))
    assert project.ok("report", "compliance", "--output", "r.md").stderr == "written r.md\n"
    text = project.read("r.md")
    assert "| Policy | no policy holds for this project |" in text
    assert "cannot be told: there are no advisories on this machine" in text
    assert "There is no evidence log" in text


@pytest.mark.slow
def test_what_is_written_is_told_by_the_file_s_name(project: Project, report: Compliance) -> None:
    said = project.fails(2, "report", "compliance", "--output", "x.pdf").stderr
    assert "ends neither in .html nor in .md" in said


@pytest.mark.slow
def test_the_inventory_says_what_packages_are_under(
    project: Project, index: Index, tmp_path: Path
) -> None:
    said = {
        ("told", "1.0"): "License-Expression: MIT OR GPL-3.0-only\n",
        ("told", "2.0"): "License-Expression: Apache-2.0\n",
        ("mapped", "1.0"): "Classifier: License :: OSI Approved :: MIT License\n",
        ("vague", "1.0"): "Classifier: License :: OSI Approved :: BSD License\n",
        ("silent", "1.0"): "",
    }
    for (name, version), lines in said.items():
        text = metadata_text(name, version) + lines
        index.add(make_wheel(tmp_path / "w", name, version, metadata=text))
    project.depends("told==1.0", "mapped", "vague", "silent")
    project.ok("sync", "-e", "prod")
    project.depends("told==2.0", "mapped", "vague", "silent")
    project.ok("lock")  # what is installed is of another lock from now on
    told = project.ok("report", "compliance", "--json", "--offline").json
    found = {
        environment["name"]: {
            f"{one['name']} {one['version']}": one["licence"] for one in environment["packages"]
        }
        for environment in told["environments"]
    }
    installed, locked = found["prod"], found["dev"]
    assert installed["told 1.0"] == "MIT OR GPL-3.0-only"
    assert installed["mapped 1.0"] == "MIT"
    assert installed["vague 1.0"] == "unknown: 'BSD License' may be several licences"
    assert installed["silent 1.0"].startswith("unknown: ")
    assert locked["told 2.0"].startswith("unknown: its metadata are not on this machine")
    project.ok("report", "compliance", "--output", "r.html", "--offline")
    page = re.sub(r"<[^>]+>", " ", project.read("r.html"))
    assert re.search(r"\btold\s+1\.0\s+MIT OR GPL-3\.0-only\s+prod\b", page)
