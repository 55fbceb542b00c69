"""Becoming a command: never one of the same name from outside of the environment."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from provenv.core.errors import CommandError
from provenv.workspace import run


def test_a_generation_that_went_this_moment_is_not_replaced_by_what_is_on_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    monkeypatch.setattr(os, "execvpe", lambda *words: started.append(words[0]))
    with pytest.raises(CommandError, match=r"generation 1 of .* was removed just now") as caught:
        run.start(str(tmp_path / ".venv"), 1, ["python"], {"PATH": "/usr/bin"})
    assert (caught.value.exit_code, started) == (126, [])
