"""When a generation was used last, as far as anything tells."""

from __future__ import annotations

from pathlib import Path

import pytest

from provenv.workspace.proving.thinning import last_uses


@pytest.mark.parametrize("log", [None, "", "torn"])
def test_an_environment_that_lost_its_log_is_asked_for_the_rest(
    tmp_path: Path, log: str | None
) -> None:
    (tmp_path / "generations/1").mkdir(parents=True)
    (tmp_path / "current").symlink_to("generations/1")
    (tmp_path / ".used").touch()
    if log is not None:
        (tmp_path / ".log").write_text(log)
    assert last_uses(str(tmp_path)) == {1: (tmp_path / ".used").stat().st_mtime}
