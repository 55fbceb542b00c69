from __future__ import annotations

import io
import os
import tarfile
import threading
import time
import zlib
from pathlib import Path
from typing import Any

import pytest

from provenv.cli.world import make_context
from provenv.core import digest
from provenv.core.errors import InputError, UndecidedError
from provenv.core.values import as_dict
from provenv.trials.cells import Cell
from provenv.workspace.projects.context import Context
from provenv.workspace.testing import serving
from provenv.workspace.testing.archive import Packed, pack


@pytest.fixture
def context(tmp_path: Path) -> Context:
    kept = {name: os.environ[name] for name in ("PATH",)}
    return make_context({**kept, "HOME": str(tmp_path), "PROVENV_HOME": str(tmp_path / "provenv")})


@pytest.fixture
def packed(tmp_path: Path, context: Context) -> Packed:
    root = tmp_path / "shop"
    root.mkdir()
    (root / "pyproject.toml").write_text('[project]\nname = "shop"\nversion = "1.0"\n')
    return pack(str(root), context.environ)


def order(packed: Packed, **changes: Any) -> dict[str, Any]:
    cell = Cell(python="2.6", environment="dev", command=("true",))
    return {
        "run": "r1", "attempt": 1, "key": "k", "inputs": "i", "fresh": False, "cell": as_dict(cell),
        "project": packed.sha256, "member": ".", "lock_path": "pylock.toml",
        "lock": 'lock-version = "1.0"\ncreated-by = "x"\npackages = []\n', **changes,
    }  # fmt: skip


def test_a_project_is_taken_as_it_was_sent_or_not_at_all(context: Context, packed: Packed) -> None:
    data = zlib.compress(packed.data)
    assert not serving.has(context, packed.sha256)
    with pytest.raises(UndecidedError, match="did not arrive as it was sent"):
        serving.receive(context, "0" * 64, data)
    assert not serving.has(context, "0" * 64)
    for _ in range(2):  # two workers with one home
        serving.receive(context, packed.sha256, data)
    assert serving.has(context, packed.sha256)
    arriving = Path(context.home.trials, "elsewhere", "arriving")
    assert [*arriving.iterdir()] == []


def test_an_archive_that_leads_out_of_its_folder_is_refused(context: Context) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("project/../../evil"))
    data = buffer.getvalue()
    name = digest.of_bytes(data)
    with pytest.raises(InputError):
        serving.receive(context, name, zlib.compress(data))
    assert not serving.has(context, name)
    assert [*Path(context.home.trials).rglob("evil")] == []


def test_what_is_begun_twice_under_one_number_runs_once(context: Context, packed: Packed) -> None:
    serving.receive(context, packed.sha256, zlib.compress(packed.data))
    first = serving.perform(context, order(packed), lambda: True)
    assert (first["state"], "2.6" in first["reason"]) == ("error", True)
    folder = next(Path(context.home.trials, "elsewhere", "runs", "r1").iterdir())
    (folder / "order.json").write_text("not read again")
    assert serving.perform(context, order(packed), lambda: True) == first

    (folder / "result.json").unlink()  # the worker died before
    again = serving.perform(context, order(packed), lambda: True)
    assert again["state"] == "unknown"
    serving.finish(context, "r1")
    assert not folder.exists()


def test_a_cell_that_nobody_wants_any_more_is_ended(context: Context, packed: Packed) -> None:
    serving.receive(context, packed.sha256, zlib.compress(packed.data))
    assert serving.perform(context, order(packed), lambda: False)["state"] == "cancelled"

    answers: list[dict[str, Any]] = []
    thread = threading.Thread(
        target=lambda: answers.append(
            serving.perform(context, order(packed, run="r2"), lambda: True)
        )
    )
    thread.start()
    while thread.is_alive() and not serving.cancel("r2"):
        time.sleep(0.01)
    thread.join()
    assert [answer["state"] for answer in answers] == ["cancelled"]
    assert serving.look("r2", {}) == []


def test_of_a_very_long_log_the_middle_is_left_out(
    context: Context, packed: Packed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(serving, "_LONGEST", 10)
    (tmp_path / "log").write_bytes(b"first" + b"-" * 100 + b"last!")
    told = serving._whole_log(str(tmp_path / "log"))
    assert told == b"first\n[provenv: 100 bytes are left out here]\nlast!"
    assert serving._whole_log(str(tmp_path / "none")) == b""
