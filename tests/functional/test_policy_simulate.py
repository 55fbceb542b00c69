"""``policy simulate``: every project of this machine, now and then, and nothing written."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from support import Index, Project, make_wheel

DENY = 'schema = 1\n[[rule]]\nid = "list"\nkind = "package"\ndeny = ["core<2"]\n'


@pytest.fixture
def shop(project: Project, index: Index, tmp_path: Path) -> Project:
    for version in ("1.0", "2.0"):
        index.add(make_wheel(tmp_path / "w", "core", version))
    project.depends("core==1.0")
    project.ok("sync")
    return project


def told(project: Project, *words: str, code: int = 0) -> dict[str, dict[str, object]]:
    found = project.fails(code, "policy", "simulate", *words, "--json").json["projects"]
    return {one["root"].rpartition("/")[2]: one for one in found}


@pytest.mark.slow
def test_a_changed_policy_is_tried_on_every_project(
    shop: Project, index: Index, tmp_path: Path
) -> None:
    other = Project(tmp_path / "other", home=shop.home, index_url=index.url)
    other.depends("core")
    other.ok("sync")
    draft = str(tmp_path / "draft.toml")
    Path(draft).write_text(DENY)
    before = sorted(str(path) for path in shop.home.rglob("*"))
    said = shop.ok("policy", "simulate", draft).stdout
    assert "stricter  shop  no policy → fail" in said
    assert "    + list: core 1.0: core<2 is denied [dev, test, staging, prod]" in said
    assert "same      shop  no policy → pass" in said
    assert "2 projects: 1 same, 1 stricter" in said
    assert sorted(str(path) for path in shop.home.rglob("*")) == before
    shop.ok("run", "true")
    (shop.home / "provenv/policy.toml").write_text(DENY)
    Path(draft).write_text(DENY.replace("<2", "<1"))
    found = told(shop, draft)
    assert [found[name]["change"] for name in ("other", "shop")] == ["same", "looser"]
    assert (found["shop"]["now"], found["shop"]["then"]) == ("fail", "pass")
    shutil.rmtree(other.folder)
    lost = told(shop, draft, code=3)
    assert lost["other"]["change"] == "unread"
    assert "is not there: its project was moved or removed" in str(lost["other"]["error"])
    assert lost["shop"]["change"] == "looser"


@pytest.mark.slow
def test_which_policy_a_draft_stands_for(shop: Project, tmp_path: Path) -> None:
    draft = tmp_path / "draft.toml"
    draft.write_text("schema = 1\n[[rul]]\n")
    assert "Did you mean `rule`?" in shop.fails(2, "policy", "simulate", str(draft)).stderr
    shop.fails(2, "policy", "simulate", "nowhere.toml")
    draft.write_text(DENY)
    shop.write("provenv-policy.toml", DENY.replace("<2", "<1"))
    own = told(shop, str(draft), "--in-place-of", "provenv-policy.toml")
    assert (own["shop"]["now"], own["shop"]["then"]) == ("pass", "fail")
    clash = told(shop, str(draft))  # two rules of one name: the project's would be refused
    assert clash["shop"]["change"] == "unusable"
    assert "loosens what holds already" in str(clash["shop"]["error"])
    shop.fails(2, "policy", "simulate", str(draft), "--in-place-of", "policy.toml")
    nowhere = str(tmp_path / "provenv-policy.toml")
    shop.fails(2, "policy", "simulate", str(draft), "--in-place-of", nowhere)
    (tmp_path / "link").symlink_to(shop.folder)
    linked = told(shop, str(draft), "--in-place-of", str(tmp_path / "link/provenv-policy.toml"))
    assert linked["shop"]["then"] == "fail"
    (shop.home / "provenv/policy.toml").write_text(DENY)
    env = {"PROVENV_POLICY": str(draft)}
    failed = shop.fails(2, "policy", "simulate", str(draft), env=env)
    assert "--in-place-of says which" in failed.stderr
