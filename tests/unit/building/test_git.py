"""Commits and source archives: what is checked out, what is remembered, what cannot be had."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from provenv.building.git import check_out
from provenv.core.errors import InputError, NetworkError, UndecidedError, UnsatisfiableError
from provenv.core.values import replace
from provenv.model.plan import Artifact
from support import make_sdist, make_source
from unit.building.helpers import Bench, sdist_of, write_tree

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="there is no git here")


def git(folder: Path, *arguments: str) -> str:
    own = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    own += ["-c", "protocol.file.allow=always"]
    return subprocess.run(
        ["git", *own, *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def commit(folder: Path) -> str:
    if not (folder / ".git").exists():
        git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "work")
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return make_source(tmp_path / "repo", "alpha", "1.0")


def artifact_of(repository: Path, commit_id: str) -> Artifact:
    return Artifact(
        name="alpha",
        version="1.0",
        kind="vcs",
        vcs="git",
        url=f"file://{repository}",
        commit=commit_id,
        revision="main",
    )


def test_a_commit_becomes_an_object(bench: Bench, repository: Path) -> None:
    first = commit(repository)
    make_source(repository, "alpha", "2.0")
    commit(repository)
    built = bench.builder().build(artifact_of(repository, first), base="/")
    assert built.object.version == "1.0"
    assert built.direct_url == {
        "url": f"file://{repository}",
        "vcs_info": {"vcs": "git", "commit_id": first, "requested_revision": "main"},
    }
    assert bench.notes == [f"building alpha 1.0 from file://{repository} at {first[:12]}"]
    assert bench.left_over() == []


def test_a_commit_is_fetched_and_built_once(bench: Bench, repository: Path) -> None:
    artifact = artifact_of(repository, commit(repository))
    bench.builder().build(artifact, base="/")
    shutil.rmtree(repository)
    assert bench.builder(offline=True).build(artifact, base="/").cached


def test_a_commit_that_no_branch_holds_any_more(bench: Bench, repository: Path) -> None:
    first = commit(repository)
    make_source(repository, "alpha", "2.0")
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "--amend", "-m", "other")
    git(repository, "config", "uploadpack.allowAnySHA1InWant", "true")
    assert bench.builder().build(artifact_of(repository, first), base="/").object.version == "1.0"


def test_a_subdirectory_and_a_path(bench: Bench, tmp_path: Path) -> None:
    make_source(tmp_path / "repo/packages/alpha", "alpha", "1.0")
    head = commit(tmp_path / "repo")
    artifact = replace(
        artifact_of(tmp_path, head), url="", path="repo", subdirectory="packages/alpha"
    )
    built = bench.builder().build(artifact, base=str(tmp_path))
    assert built.direct_url is not None
    assert built.direct_url["subdirectory"] == "packages/alpha"
    assert built.direct_url["url"] == f"file://{tmp_path}/repo"


@pytest.mark.parametrize("subdirectory", ["absent", "../..", "/etc"])
def test_a_subdirectory_that_is_not_there(
    bench: Bench, repository: Path, subdirectory: str
) -> None:
    artifact = artifact_of(repository, commit(repository))
    with pytest.raises(InputError, match="no folder"):
        bench.builder().build(replace(artifact, subdirectory=subdirectory), base="/")


def test_submodules_come_along(tmp_path: Path, bench: Bench) -> None:
    part = write_tree(tmp_path / "part", {"data.txt": "there"})
    commit(part)
    whole = write_tree(tmp_path / "whole", {"a": ""})
    commit(whole)
    git(whole, "submodule", "--quiet", "add", f"file://{part}", "part")
    head = commit(whole)
    check_out(
        f"file://{whole}",
        head,
        str(tmp_path / "out"),
        environ=bench.environ,
        offline=False,
        label="x",
    )
    assert (tmp_path / "out/part/data.txt").read_text() == "there"


def test_the_git_that_runs_around_us_does_not_matter(bench: Bench, repository: Path) -> None:
    head = commit(repository)
    bench.environ["GIT_DIR"] = "/nowhere"
    bench.environ["GIT_INDEX_FILE"] = "/nowhere/index"
    assert bench.builder().build(artifact_of(repository, head), base="/").object.name == "alpha"


def test_a_commit_that_is_not_there(bench: Bench, repository: Path) -> None:
    commit(repository)
    with pytest.raises(NetworkError, match="git fetch failed") as caught:
        bench.builder().build(artifact_of(repository, "0" * 39 + "1"), base="/")
    assert caught.value.hint
    assert bench.left_over() == []


def test_a_short_commit_is_refused(bench: Bench, repository: Path) -> None:
    head = commit(repository)
    with pytest.raises(InputError, match="not a full commit hash"):
        bench.builder().build(artifact_of(repository, head[:10]), base="/")


def test_a_missing_git_is_said(bench: Bench, repository: Path, tmp_path: Path) -> None:
    head = commit(repository)
    bench.environ["PATH"] = str(tmp_path)
    with pytest.raises(UndecidedError, match="git is needed") as caught:
        bench.builder().build(artifact_of(repository, head), base="/")
    assert "Install git" in (caught.value.hint or "")


def test_offline_a_remote_commit_cannot_be_had(bench: Bench) -> None:
    artifact = replace(
        artifact_of(Path("/x"), "a" * 40), url="https://user:secret@example.org/x.git"
    )
    with pytest.raises(NetworkError, match="offline") as caught:
        bench.builder(offline=True).build(artifact, base="/")
    assert "secret" not in caught.value.message


def test_passwords_are_not_shown(bench: Bench) -> None:
    artifact = replace(
        artifact_of(Path("/x"), "a" * 40), url="http://user:secret@127.0.0.1:1/x.git"
    )
    with pytest.raises(NetworkError) as caught:
        bench.builder().build(artifact, base="/")
    assert "secret" not in f"{caught.value.message}{caught.value.details}{bench.notes}"


def test_other_version_control_is_refused(bench: Bench, repository: Path) -> None:
    artifact = replace(artifact_of(repository, "1" * 40), vcs="hg")
    with pytest.raises(UnsatisfiableError, match="git alone"):
        bench.builder().build(artifact, base="/")


def test_a_source_archive_from_an_address(bench: Bench, tmp_path: Path) -> None:
    path = make_sdist(tmp_path, "alpha", "1.2")
    bench.index.add(path)
    url = bench.index.file_url(path.name)
    artifact = replace(sdist_of(path), kind="archive", path="", url=url)
    built = bench.builder().build(artifact, base="/")
    assert built.direct_url == {
        "url": url,
        "archive_info": {
            "hash": f"sha256={artifact.sha256}",
            "hashes": {"sha256": artifact.sha256},
        },
    }
    assert bench.notes == ["building alpha 1.2 from its source archive"]


def test_addresses_in_direct_url_hold_no_credentials(bench: Bench, tmp_path: Path) -> None:
    path = make_sdist(tmp_path, "alpha", "1.2")
    bench.builder().build(sdist_of(path), base=str(tmp_path))
    url = "https://user:secret@example.org/alpha-1.2.tar.gz"
    artifact = replace(sdist_of(path), kind="archive", path="", url=url, subdirectory="")
    built = bench.builder().build(artifact, base="/")  # known by its content
    assert built.direct_url is not None
    assert built.direct_url["url"] == "https://example.org/alpha-1.2.tar.gz"
