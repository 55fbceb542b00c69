from __future__ import annotations

import pytest
from packaging.markers import Marker

from provenv.resolve.exports import Root, combined_marker, merge_exports

BASE, CLI = Root(kind="base"), Root(kind="extra", name="cli")
DEV, TEST = Root(kind="group", name="dev"), Root(kind="group", name="test")
WIN = "sys_platform == 'win32'"
OLD = "python_full_version < '3.12' or sys_platform == 'darwin'"


@pytest.mark.parametrize(
    ("markers", "expected"),
    [
        ({BASE: None, CLI: None, DEV: WIN}, None),
        ({BASE: WIN, CLI: WIN, DEV: WIN}, WIN),
        ({CLI: None}, "'cli' in extras"),
        ({DEV: None, TEST: None}, "'dev' in dependency_groups or 'test' in dependency_groups"),
        ({BASE: WIN, CLI: None}, f"{WIN} or 'cli' in extras"),
        (
            {DEV: WIN, TEST: WIN},
            f"('dev' in dependency_groups or 'test' in dependency_groups) and {WIN}",
        ),
        (
            {BASE: WIN, DEV: OLD, TEST: None},
            f"{WIN} or ('dev' in dependency_groups and ({OLD})) or 'test' in dependency_groups",
        ),
    ],
)
def test_markers_of_roots_become_one(markers: dict[Root, str | None], expected: str | None) -> None:
    found = combined_marker(markers)
    assert found == (None if expected is None else str(Marker(expected)))


def test_the_files_of_all_roots_are_kept() -> None:
    def export(marker: str, wheel: str) -> str:
        return (
            'lock-version = "1.0"\n\n[[packages]]\nname = "a"\nversion = "1"\n'
            f'marker = "{marker}"\nindex = "https://x"\n'
            f'wheels = [{{ url = "https://x/{wheel}.whl", size = 1, hashes = {{ sha256 = "00" }} }}]\n'
        )

    (table,) = merge_exports(
        [
            (DEV, export("sys_platform == 'win32'", "a-1-py3-none-win32")),
            (TEST, export("sys_platform == 'linux'", "a-1-py3-none-linux")),
        ]
    )
    assert [w["url"].rpartition("-")[2] for w in table["wheels"]] == ["linux.whl", "win32.whl"]
    assert "'win32'" in table["marker"].replace('"', "'")
    assert "'linux'" in table["marker"].replace('"', "'")
