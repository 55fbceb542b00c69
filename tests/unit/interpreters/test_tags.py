from __future__ import annotations

import os
import subprocess

import packaging
import pytest

from provenv.interpreters import probe
from provenv.interpreters.tags import compatible_tags, cpython_abis, generic_abis, platform_tags
from unit.interpreters.helpers import installed_versions, real, report

SYS_TAGS = "for tag in sys_tags(): print(tag)"
FOLDER = os.path.dirname(os.path.dirname(packaging.__file__))


def asked(executable: str, program: str, **environment: str) -> list[str] | None:
    """The tags that a program run by the interpreter prints, or None where it fails."""
    done = subprocess.run(
        [executable, "-B", "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.split() if done.returncode == 0 else None


@pytest.mark.parametrize("version", installed_versions())
def test_tags_are_those_that_packaging_gives_inside_the_interpreter(
    version: str, cache: str
) -> None:
    executable = real(version.rpartition(".")[0])
    found = list(probe(executable, source="pyenv", cache=cache).tags)
    expected = asked(
        executable, f"from packaging.tags import sys_tags\n{SYS_TAGS}", PYTHONPATH=FOLDER
    )
    if expected is not None:
        assert found == expected
        return
    # too old for this packaging: its pip has an older one, which orders some platforms otherwise and
    # does not have cp38-none-any
    older = asked(executable, f"from pip._vendor.packaging.tags import sys_tags\n{SYS_TAGS}")
    if older is None:
        pytest.skip(f"no packaging runs on Python {version}")
    general = f"{found[0].partition('-')[0]}-none-any"
    assert set(found) == {*older, general}


@pytest.mark.parametrize(
    ("release", "changes", "abis"),
    [
        ([3, 13], {}, ["cp313"]),
        ([3, 13], {"free_threaded": True}, ["cp313t"]),
        ([3, 13], {"free_threaded": True, "debug": True}, ["cp313td", "cp313t"]),
        ([3, 12], {"debug": True}, ["cp312d", "cp312"]),
        ([3, 7], {"pymalloc": True}, ["cp37m"]),
        ([3, 6], {"pymalloc": True, "debug": True}, ["cp36dm"]),
        ([3, 6], {"pymalloc": False}, ["cp36"]),
        ([2, 7], {"pymalloc": True, "wide_unicode": True}, ["cp27mu"]),
        ([2, 7], {"pymalloc": True, "wide_unicode": False}, ["cp27m"]),
    ],
)
def test_abis_of_cpython(release: list[int], changes: dict[str, object], abis: list[str]) -> None:
    plain = {"free_threaded": False, "debug": False}
    assert cpython_abis(report(release=release, **{**plain, **changes})) == abis


def test_free_threaded_python_does_not_take_abi3_wheels() -> None:
    tags = compatible_tags(
        report(release=[3, 14], free_threaded=True, debug=False, implementation="cpython")
    )
    assert tags[0].startswith("cp314-cp314t-")
    assert not any("-abi3-" in tag for tag in tags)
    assert "py3-none-any" in tags


def test_pypy_has_its_own_tags() -> None:
    tags = compatible_tags(
        report(
            implementation="pypy",
            release=[3, 10],
            version_nodot="310",
            ext_suffix=".pypy310-pp73-x86_64-linux-gnu.so",
            platform="linux-x86_64",
            libc=["glibc", "2.36"],
        )
    )
    assert tags[0] == "pp310-pypy310_pp73-linux_x86_64"
    assert "pp3-none-any" in tags
    assert not any(tag.startswith("cp") for tag in tags)


def test_abi_of_graalpy_is_in_its_suffix() -> None:
    assert generic_abis(report(ext_suffix=".graalpy-38-native-x86_64-darwin.dylib")) == [
        "graalpy_38_native"
    ]


def platforms(platform: str, libc: list[str], **changes: object) -> list[str]:
    return list(platform_tags(report(platform=platform, libc=libc, mac=["", ""], **changes)))


def test_glibc_gives_every_older_manylinux_with_the_old_names() -> None:
    assert platforms("linux-aarch64", ["glibc", "2.19"], pointer_size=8) == [
        "linux_aarch64",
        "manylinux_2_19_aarch64",
        "manylinux_2_18_aarch64",
        "manylinux_2_17_aarch64",
        "manylinux2014_aarch64",
    ]


def test_musl_gives_musllinux_and_no_manylinux() -> None:
    assert platforms("linux-x86_64", ["musl", "1.2.5"], pointer_size=8) == [
        "linux_x86_64",
        "musllinux_1_2_x86_64",
        "musllinux_1_1_x86_64",
        "musllinux_1_0_x86_64",
    ]


def test_32_bit_interpreter_under_a_64_bit_kernel() -> None:
    found = platforms("linux-x86_64", ["glibc", "2.36"], pointer_size=4)
    assert found[0] == "linux_i686"
    assert found[-1] == "manylinux1_i686"


@pytest.mark.parametrize(
    ("multiarch", "applies"), [("arm-linux-gnueabihf", True), ("arm-linux-gnueabi", False)]
)
def test_arm_needs_the_hard_float_abi_for_manylinux(multiarch: str, applies: bool) -> None:
    found = platforms("linux-armv7l", ["glibc", "2.36"], pointer_size=4, multiarch=multiarch)
    assert any(name.startswith("manylinux") for name in found) is applies


def test_unknown_c_library_leaves_the_plain_platform() -> None:
    assert platforms("linux-x86_64", ["", ""], pointer_size=8) == ["linux_x86_64"]


def test_mac_takes_older_systems_and_universal_binaries() -> None:
    found = list(
        platform_tags(report(platform="macosx-11.0-arm64", mac=["13.2", "arm64"], pointer_size=8))
    )
    assert found[0] == "macosx_13_0_arm64"
    assert "macosx_11_0_universal2" in found


def test_windows_has_one_platform() -> None:
    assert platforms("win-amd64", ["", ""]) == ["win_amd64"]
