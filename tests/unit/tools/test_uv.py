from __future__ import annotations

from pathlib import Path

import pytest

from provenv.core.errors import UndecidedError
from provenv.core.http import Credentials, HttpSettings
from provenv.tools.uv import Uv, clean_environment, find_uv, variable_part


def test_the_program_is_there() -> None:
    assert Path(find_uv()).is_file()


def test_only_what_reaches_servers_comes_in_from_outside(tmp_path: Path) -> None:
    outside = {
        "PATH": "/bin",
        "SSL_CERT_FILE": "/certs",
        "HTTPS_PROXY": "http://theirs",
        "UV_INDEX_URL": "http://evil",
        "UV_NATIVE_TLS": "1",
        "VIRTUAL_ENV": "/venv",
        "PYTHONPATH": "/src",
        "XDG_CONFIG_HOME": "/home/me/.config",
    }
    found = clean_environment(
        outside,
        cache="/cache",
        config=str(tmp_path / "config"),
        http=HttpSettings(
            attempts=3, timeout=7.5, proxies={"https": "http://ours", "http": "http://plain"}
        ),
        credentials={"corp.main": Credentials(username="me", password="word")},
    )
    assert found == {
        "PATH": "/bin",
        "SSL_CERT_FILE": "/certs",
        "HTTPS_PROXY": "http://theirs",
        "HTTP_PROXY": "http://plain",
        "UV_NATIVE_TLS": "1",
        "UV_SYSTEM_CERTS": "1",
        "UV_HTTP_RETRIES": "2",
        "UV_HTTP_TIMEOUT": "7",
        "UV_CACHE_DIR": "/cache",
        "UV_INDEX_CORP_MAIN_USERNAME": "me",
        "UV_INDEX_CORP_MAIN_PASSWORD": "word",
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "XDG_CONFIG_DIRS": str(tmp_path / "config"),
        "NO_COLOR": "1",
    }
    assert (tmp_path / "config" / "uv" / "uv.toml").read_text() == ""


def test_names_of_indexes_in_variables() -> None:
    assert variable_part("corp-1.main") == "CORP_1_MAIN"


def test_a_uv_that_was_killed_is_named_as_such(tmp_path: Path) -> None:
    binary = tmp_path / "uv"
    binary.write_text("#!/bin/sh\nkill -KILL $$\n")
    binary.chmod(0o755)
    with pytest.raises(UndecidedError, match="was ended by SIGKILL") as refused:
        Uv(binary=str(binary), environ={}).lock(str(tmp_path), python="3")
    assert "out of memory" in (refused.value.hint or "")
