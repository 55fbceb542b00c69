"""The kit itself: what real clients (uv) make of its wheels, sdists and index."""

from __future__ import annotations

import base64
import hashlib
import os
import stat
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from http.client import HTTPConnection
from pathlib import Path

import pytest
from packaging.metadata import Metadata

from support import (
    Index,
    Project,
    clean_environment,
    make_pair,
    make_sdist,
    make_source,
    make_wheel,
    needs_gcc,
    sha256_of,
)
from support.index import _wants_json
from support.wheels import entry, without_record, wrong_hash


def uv(tmp_path: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "uv", *args],
        env=clean_environment(tmp_path / "home"),
        capture_output=True,
        text=True,
        check=False,
    )


def install(tmp_path: Path, index: Index, *args: str) -> Path:
    target = tmp_path / "target"
    done = uv(
        tmp_path, "pip", "install", "--python", sys.executable, "--target", str(target),
        "--index-url", index.url, *args,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return target


def fetch(url: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    request = urllib.request.Request(
        url, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), error.read()


def test_uv_installs_a_wheel_and_what_it_requires(tmp_path: Path, index: Index) -> None:
    index.add(make_wheel(tmp_path, "app", "1.0", requires=["lib>=2"], extras={"x": ["more"]}))
    for version in ("1.0", "2.0", "3.0"):
        index.add(make_wheel(tmp_path, "lib", version), yanked=version == "3.0")
    target = install(tmp_path, index, "app")
    assert (target / "lib/__init__.py").read_text() == '__version__ = "2.0"\n'
    assert not (target / "more").exists()
    assert index.paths("*/lib-2.0*.metadata"), "PEP 658 metadata is used"


def test_uv_builds_an_sdist_whose_backend_needs_a_build_requirement(
    tmp_path: Path, index: Index
) -> None:
    index.add(make_wheel(tmp_path, "helper", "1.0"))
    index.add(make_sdist(tmp_path, "made", "1.5", build_requires=["helper"], uses="helper"))
    target = install(tmp_path, index, "made")
    assert (target / "made/__init__.py").read_text() == '__version__ = "1.5"\n'


def test_uv_installs_a_source_tree_in_place(tmp_path: Path, index: Index) -> None:
    source = make_source(tmp_path / "tree", "tree", "0.1")
    target = install(tmp_path, index, "--editable", str(source))
    assert (target / "__editable__.tree.pth").read_text() == f"{source / 'src'}\n"


@needs_gcc
def test_a_pair_of_native_wheels_finds_each_other_through_runpath(
    tmp_path: Path, index: Index
) -> None:
    for wheel in make_pair(tmp_path, answer=43):
        index.add(wheel)
    target = install(tmp_path, index, "outer")
    code = f"import sys; sys.path.insert(0, {str(target)!r}); import outer; print(outer.answer())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("43\n", "")


def test_the_same_call_makes_the_same_bytes(tmp_path: Path) -> None:
    assert sha256_of(make_wheel(tmp_path / "1", "a", "1")) == sha256_of(
        make_wheel(tmp_path / "2", "a", "1")
    )
    assert sha256_of(make_sdist(tmp_path / "1", "a", "1")) == sha256_of(
        make_sdist(tmp_path / "2", "a", "1")
    )


def test_metadata_is_valid(tmp_path: Path, index: Index) -> None:
    url = index.add(
        make_wheel(
            tmp_path, "a", "1", requires=["b"], requires_python=">=3.8",
            extras={"x": ["c; python_version > '3'"]},
        )
    )  # fmt: skip
    metadata = Metadata.from_email(fetch(url + ".metadata")[2])
    assert [str(item) for item in metadata.requires_dist or []] == [
        "b",
        'c; python_version > "3" and extra == "x"',
    ]


def test_a_protected_index_answers_its_user_only(tmp_path: Path, index: Index) -> None:
    index.add(make_wheel(tmp_path, "secret", "1"), to="private")
    index.protect("private", "me", "pass")
    page = index.url_of("private") + "secret/"
    assert fetch(page)[0] == 401
    assert fetch(page, Authorization="Basic bWU6cGFzcw==")[0] == 200
    assert fetch(index.url + "secret/")[0] == 404


def test_pages_are_html_or_json_as_asked(tmp_path: Path, index: Index) -> None:
    index.add(make_wheel(tmp_path, "a", "1"))
    assert b"<a href=" in fetch(index.url + "a/")[2]
    body = fetch(index.url + "a/", Accept="application/vnd.pypi.simple.v1+json")[2]
    assert b'"core-metadata"' in body
    assert not _wants_json("text/html, application/vnd.pypi.simple.v1+json;q=0.2")


def test_etag_and_ranges(tmp_path: Path, index: Index) -> None:
    wheel = make_wheel(tmp_path, "a", "1")
    url = index.add(wheel)
    etag = fetch(url)[1]["ETag"]
    assert fetch(url, If_None_Match=etag)[0] == 304
    assert fetch(url, Range="bytes=2-5")[::2] == (206, wheel.read_bytes()[2:6])
    assert fetch(url, Range="bytes=-4")[::2] == (206, wheel.read_bytes()[-4:])


def test_faults_come_as_ordered_and_pass(tmp_path: Path, index: Index) -> None:
    wheel = make_wheel(tmp_path, "a", "1")
    url = index.add(wheel)
    index.fault("*.whl", status=500, times=2)
    index.fault("*.whl", wrong=True, times=1)
    index.fault("*/files/*", redirect="http://localhost:1{path}", times=1)
    assert [fetch(url)[0] for _ in range(2)] == [500, 500]
    wrong = fetch(url)[2]
    assert len(wrong) == wheel.stat().st_size
    assert wrong != wheel.read_bytes()
    with pytest.raises(OSError, match=r"refused|cannot|Cannot"):
        fetch(url)
    assert fetch(url)[2] == wheel.read_bytes()
    assert [request.status for request in index.requests] == [500, 500, 200, 302, 200]


def test_a_cut_connection_is_noticed(tmp_path: Path, index: Index) -> None:
    url = index.add(make_wheel(tmp_path, "a", "1"))
    index.fault("*.whl", cut=10)
    with pytest.raises(Exception, match="IncompleteRead"):
        fetch(url)


def test_a_slow_server_is_slow(tmp_path: Path, index: Index) -> None:
    wheel = make_wheel(tmp_path, "a", "1")
    url = index.add(wheel)
    index.fault("*.whl", rate=wheel.stat().st_size * 5, times=1)
    start = time.monotonic()
    assert fetch(url)[2] == wheel.read_bytes()
    assert time.monotonic() - start > 0.15


def test_a_kept_connection_does_not_hold_the_index_up(tmp_path: Path) -> None:
    with Index() as index:
        index.fault("/slow", hang=60)
        host = index.origin.removeprefix("http://")
        kept, waiting = HTTPConnection(host), HTTPConnection(host)
        kept.request("GET", "/main/simple/")
        kept.getresponse().read()
        waiting.request("GET", "/slow")
        start = time.monotonic()
    assert time.monotonic() - start < 5
    kept.close()
    waiting.close()


def test_what_is_added_to_the_archive_is_not_in_record(tmp_path: Path) -> None:
    wheel = make_wheel(
        tmp_path, "a", "1", members=[("../evil", "x"), (entry("link", kind=0o120000), "/etc")],
        record=wrong_hash("a/__init__.py"),
    )  # fmt: skip
    with zipfile.ZipFile(wheel) as archive:
        assert "../evil" in archive.namelist()
        assert stat.S_ISLNK(archive.getinfo("link").external_attr >> 16)
        record = archive.read("a-1.dist-info/RECORD").decode()
    assert "evil" not in record
    digest = hashlib.sha256(b"something else").digest()
    assert base64.urlsafe_b64encode(digest).decode().rstrip("=") in record


def test_a_wheel_without_record(tmp_path: Path) -> None:
    with zipfile.ZipFile(make_wheel(tmp_path, "a", "1", record=without_record)) as archive:
        assert not any(name.endswith("RECORD") for name in archive.namelist())


def test_a_project_runs_in_an_environment_of_its_own(project: Project, index: Index) -> None:
    assert project.env["PROVENV_INDEX_URL"] == index.url
    assert not any(key.startswith(("PYTHON", "UV_", "VIRTUAL_ENV")) for key in project.env)


def test_no_test_sees_the_users_home_or_settings() -> None:
    home = os.environ["HOME"]
    assert home.startswith(tempfile.gettempdir())
    assert not {".config", ".netrc", ".pip", ".pypirc"} & set(os.listdir(home))
    leaked = [
        key for key in os.environ if key.startswith(("PIP_", "UV_", "PROVENV_", "PYTHONPATH"))
    ]
    assert leaked == []
