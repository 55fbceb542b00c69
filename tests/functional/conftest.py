"""An index with a few packages that need each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import Index, make_wheel


@pytest.fixture
def shelf(tmp_path: Path, index: Index) -> Index:
    """``web`` needs ``core``; ``tool`` has a command; ``core`` has versions 1.0 and 2.0."""
    made = tmp_path / "made"
    made.mkdir()
    tool = {"console_scripts": {"tool": "tool:main"}}
    body = "import sys\ndef main():\n    print('tool', *sys.argv[1:])\n"
    for path in (
        make_wheel(made, "core", "1.0"),
        make_wheel(made, "core", "2.0"),
        make_wheel(made, "web", "1.0", requires=["core"]),
        make_wheel(made, "tool", "3.1", files={"tool.py": body}, entry_points=tool),
    ):
        index.add(path)
    return index
