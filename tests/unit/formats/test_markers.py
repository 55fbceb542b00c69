"""Markers of a lock, with groups and extras filled in."""

from __future__ import annotations

import pytest
from packaging.markers import Marker

from provenv.formats.markers import filled


@pytest.mark.parametrize(
    ("marker", "wanted"),
    [
        ("'dev' in dependency_groups", ""),
        ("'test' in dependency_groups", None),
        ("'docs' not in extras", ""),
        ("'Dev' in dependency_groups", ""),
        ("'D.E_V' not in dependency_groups", ""),
        # what a set is compared with besides is never equal, as packaging has it
        ("'dev' == dependency_groups", None),
        ("'dev' >= dependency_groups", None),
        ("'dev' != dependency_groups", ""),
        ("sys_platform == 'win32'", "sys_platform == 'win32'"),
        ("sys_platform == 'win32' or 'dev' in dependency_groups", ""),
        ("sys_platform == 'win32' or 'test' in dependency_groups", "sys_platform == 'win32'"),
        (
            "'dev' in dependency_groups and (python_version < '3.11' or sys_platform == 'win32')",
            "python_version < '3.11' or sys_platform == 'win32'",
        ),
        (
            "('dev' in dependency_groups or 'x' in extras) and (os_name == 'nt' or os_name == 'x')",
            "os_name == 'nt' or os_name == 'x'",
        ),
        (
            "python_version > '3' and ('test' in dependency_groups or os_name == 'nt' or os_name == 'x')",
            "python_version > '3' and (os_name == 'nt' or os_name == 'x')",
        ),
        ("'test' in dependency_groups and sys_platform == 'win32'", None),
    ],
)
def test_filling_in(marker: str, wanted: str | None) -> None:
    found = filled(Marker(marker), groups=("dev",), extras=())
    assert found == (str(Marker(wanted)) if wanted else wanted)


def test_no_marker_is_always() -> None:
    assert filled(None, (), ()) == ""
