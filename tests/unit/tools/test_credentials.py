from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

from provenv.core.http import Credentials
from provenv.tools.credentials import find_credentials

URL = "https://packages.example.org:8443/simple"


def find(
    home: Path, environ: dict[str, str] | None = None, url: str = URL, *, use_keyring: bool = False
) -> Credentials | None:
    return find_credentials(
        url, "corp.main-1", environ=environ or {}, home=str(home), use_keyring=use_keyring
    )


def write_netrc(path: Path) -> None:
    path.write_text("machine packages.example.org login net password rc\n")
    path.chmod(0o600)


def test_none_are_known(tmp_path: Path) -> None:
    assert find(tmp_path) is None


def test_each_source_yields_to_the_one_before(tmp_path: Path) -> None:
    write_netrc(tmp_path / ".netrc")
    with_user = URL.replace("://", "://in:li%40ne@")
    uv = {"UV_INDEX_CORP_MAIN_1_USERNAME": "u", "UV_INDEX_CORP_MAIN_1_PASSWORD": "v"}
    own = {"PROVENV_INDEX_CORP_MAIN_1_USERNAME": "p", "PROVENV_INDEX_CORP_MAIN_1_PASSWORD": "q"}
    assert find(tmp_path, {**uv, **own}, with_user) == Credentials(username="p", password="q")
    assert find(tmp_path, uv, with_user) == Credentials(username="u", password="v")
    assert find(tmp_path, {}, with_user) == Credentials(username="in", password="li@ne")
    assert find(tmp_path) == Credentials(username="net", password="rc")


def test_netrc_may_lie_elsewhere_and_holds_other_hosts_too(tmp_path: Path) -> None:
    write_netrc(tmp_path / "elsewhere")
    environ = {"NETRC": str(tmp_path / "elsewhere")}
    assert find(tmp_path, environ) == Credentials(username="net", password="rc")
    assert find(tmp_path, environ, "https://other.example.org/simple") is None


def test_the_default_entry_of_netrc_is_for_declared_indexes_alone(tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("default login any password s3cret\n")
    (tmp_path / ".netrc").chmod(0o600)
    assert find(tmp_path) == Credentials(username="any", password="s3cret")
    url = "https://evil.example/a.whl"
    environ, home = {"PATH": ""}, str(tmp_path)
    assert find_credentials(url, "", environ=environ, home=home, use_keyring=False) is None


def test_a_broken_netrc_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine\n")
    (tmp_path / ".netrc").chmod(0o600)
    assert find(tmp_path) is None


def test_the_keyring_package_is_asked_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Found:
        username, password = "key", "ring"

    fake = ModuleType("keyring")
    asked: list[tuple[str, str | None]] = []

    def get_credential(service: str, username: str | None) -> Found | None:
        asked.append((service, username))
        return Found() if service == "packages.example.org:8443" else None

    fake.get_credential = get_credential  # type: ignore[attr-defined]
    fake.__spec__ = __import__("importlib.machinery").machinery.ModuleSpec("keyring", None)
    monkeypatch.setitem(sys.modules, "keyring", fake)
    assert find(tmp_path, use_keyring=True) == Credentials(username="key", password="ring")
    assert asked == [(URL, None), ("packages.example.org:8443", None)]
    assert find(tmp_path, use_keyring=False) is None


def test_without_the_package_the_program_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "keyring"
    program.write_text('#!/bin/sh\n[ "$1 $3" = "get me" ] && echo "pass of $2"\n')
    program.chmod(0o755)
    environ = {"PATH": f"{folder}{os.pathsep}{os.defpath}"}
    found = find(tmp_path, environ, URL.replace("://", "://me@"), use_keyring=True)
    assert found == Credentials(username="me", password=f"pass of {URL}")
    assert find(tmp_path, environ, use_keyring=True) is None
