from __future__ import annotations

from typing import Any

import pytest

from provenv.core.errors import InputError, UnsatisfiableError
from provenv.model.interpreter import Interpreter
from provenv.model.lock import parse_lock
from provenv.model.manifest import EnvironmentSpec
from provenv.model.plan import Plan, canonical, make_plan

SHA = "ab" * 32


def interpreter(version: str = "3.13.0", **changes: Any) -> Interpreter:
    minor = version.split(".")[1]
    values: dict[str, Any] = {
        "executable": "/python",
        "version": version,
        "implementation": "cpython",
        "source": "path",
        "size": 1,
        "mtime_ns": 1,
        "markers": {
            "implementation_name": "cpython",
            "implementation_version": version,
            "os_name": "posix",
            "platform_machine": "x86_64",
            "platform_python_implementation": "CPython",
            "platform_release": "6",
            "platform_system": "Linux",
            "platform_version": "1",
            "python_full_version": version,
            "python_version": f"3.{minor}",
            "sys_platform": "linux",
        },
        "tags": (
            f"cp3{minor}-cp3{minor}-manylinux_2_28_x86_64",
            f"cp3{minor}-cp3{minor}-manylinux_2_17_x86_64",
            f"cp3{minor}-abi3-manylinux_2_17_x86_64",
            "cp311-abi3-manylinux_2_17_x86_64",
            "py3-none-any",
        ),
        "site_packages": f"lib/python3.{minor}/site-packages",
        "include": f"include/site/python3.{minor}",
        "home": "/",
    }
    return Interpreter(**{**values, **changes})


def plan(
    packages: str,
    *,
    environment: EnvironmentSpec | None = None,
    python: Interpreter | None = None,
    head: str = "",
) -> Plan:
    text = f'lock-version = "1.0"\ncreated-by = "x"\n{head}\n{packages}'
    return make_plan(
        parse_lock(text),
        "digest",
        environment or EnvironmentSpec(name="dev"),
        python or interpreter(),
        "pylock.toml",
    )


def package(name: str, *tags: str, version: str = "1.0", more: str = "", sha: str = SHA) -> str:
    wheels = "".join(
        f'    {{ url = "https://x/{name}-{version}-{tag}.whl", hashes = {{ sha256 = "{sha}" }} }},\n'
        for tag in tags
    )
    wheels = f"wheels = [\n{wheels}]\n" if wheels else ""
    return f'[[packages]]\nname = "{name}"\nversion = "{version}"\n{more}\n{wheels}\n'


SDIST = f'sdist = {{ url = "https://x/a-1.0.tar.gz", size = 7, hashes = {{ sha256 = "{SHA}" }} }}'


@pytest.mark.parametrize(
    ("tags", "wanted"),
    [
        (["py3-none-any"], "py3-none-any"),
        (["py3-none-any", "cp313-cp313-manylinux_2_17_x86_64"],
         "cp313-cp313-manylinux_2_17_x86_64"),
        (["cp313-cp313-manylinux_2_17_x86_64", "cp313-cp313-manylinux_2_28_x86_64"],
         "cp313-cp313-manylinux_2_28_x86_64"),
        (["cp311-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64", "py2.py3-none-any"],
         "cp311-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64"),
        (["cp312-cp312-manylinux_2_17_x86_64", "py2.py3-none-any"], "py2.py3-none-any"),
        (["1-py3-none-any", "2-py3-none-any", "py3-none-any"], "2-py3-none-any"),
        (["2-py3-none-any", "10-py3-none-any"], "10-py3-none-any"),
    ],
)  # fmt: skip
def test_the_best_wheel_is_chosen_in_any_order(tags: list[str], wanted: str) -> None:
    for order in (tags, tags[::-1]):
        (artifact,) = plan(package("a", *order)).artifacts
        assert artifact.filename == f"a-1.0-{wanted}.whl"
        assert (artifact.kind, artifact.sha256) == ("wheel", SHA)


def test_an_sdist_is_taken_where_no_wheel_fits() -> None:
    (artifact,) = plan(package("a", "cp312-cp312-win32", more=SDIST)).artifacts
    assert (artifact.kind, artifact.filename, artifact.size) == ("sdist", "a-1.0.tar.gz", 7)
    (artifact,) = plan(package("a", "py3-none-any", more=SDIST)).artifacts
    assert artifact.kind == "wheel"


def test_no_wheel_and_no_sdist_lists_the_tags_that_exist() -> None:
    with pytest.raises(UnsatisfiableError) as caught:
        plan(package("a", "cp312-cp312-win32", "cp310.cp39-none-any"))
    for text in ("a 1.0", "3.13.0", "cp313-cp313-manylinux_2_28_x86_64", "cp312-cp312-win32"):
        assert text in caught.value.message
    assert caught.value.details == {
        "package": "a",
        "tags": ["cp310-none-any", "cp312-cp312-win32", "cp39-none-any"],
    }


def names(found: Plan) -> list[str]:
    return [artifact.label for artifact in found.artifacts]


def test_groups_extras_and_markers_decide_and_names_are_sorted() -> None:
    head = 'extras = ["fast"]\ndependency-groups = ["dev", "test"]'
    packages = (
        package("zlib", "py3-none-any")
        + package("d", "py3-none-any", more="marker = \"'dev' in dependency_groups\"")
        + package("t", "py3-none-any", more="marker = \"'test' in dependency_groups\"")
        + package("e", "py3-none-any", more="marker = \"'fast' in extras\"")
        + package("w", "py3-none-any", more="marker = \"sys_platform == 'win32'\"")
        + package("b", "py3-none-any", more="marker = \"python_version < '3.13'\"")
    )
    assert names(plan(packages, head=head)) == ["zlib 1.0"]
    both = EnvironmentSpec(name="x", groups=("dev", "test"), extras=("fast",))
    assert names(plan(packages, head=head, environment=both)) == [
        "d 1.0", "e 1.0", "t 1.0", "zlib 1.0",
    ]  # fmt: skip
    assert names(plan(packages, head=head, python=interpreter("3.12.1"))) == ["b 1.0", "zlib 1.0"]


def test_seeds_come_from_the_lock_and_nowhere_else() -> None:
    marker = "marker = \"'provenv-seed-pip' in dependency_groups\""
    text = package("pip", "py3-none-any", more=marker) + package("a", "py3-none-any")
    seeded = EnvironmentSpec(name="x", seed=("pip",))
    assert names(plan(text)) == ["a 1.0"]
    assert names(plan(text, environment=seeded)) == ["a 1.0", "pip 1.0"]
    with pytest.raises(UnsatisfiableError, match="has no pip for environment 'x'"):
        plan(package("a", "py3-none-any"), environment=seeded)


def test_one_of_two_versions_applies() -> None:
    old = package("a", "py3-none-any", more="marker = \"python_version < '3.13'\"")
    new = package("a", "py3-none-any", version="2.0", more="marker = \"python_version >= '3.13'\"")
    assert names(plan(old + new)) == ["a 2.0"]
    assert names(plan(old + new, python=interpreter("3.12.0"))) == ["a 1.0"]


def test_two_versions_that_both_apply_are_refused() -> None:
    with pytest.raises(InputError, match=r"a 1\.0 and 2\.0 both apply to environment 'dev'"):
        plan(package("a", "py3-none-any") + package("a", "py3-none-any", version="2.0"))


@pytest.mark.parametrize(
    ("head", "more"),
    [
        ('requires-python = ">=3.14"', ""),
        ("environments = [\"sys_platform == 'win32'\"]", ""),
        ("", 'requires-python = "<3.13"'),
    ],
)
def test_an_interpreter_that_the_lock_excludes_is_refused(head: str, more: str) -> None:
    with pytest.raises(UnsatisfiableError, match="/python") as caught:
        plan(package("a", "py3-none-any", more=more), head=head)
    assert "--python" in (caught.value.hint or "")


def test_what_does_not_apply_may_require_another_python() -> None:
    more = 'marker = "python_version < \'3.12\'"\nrequires-python = "<3.12"'
    assert names(plan(package("a", "py3-none-any", more=more))) == []


@pytest.mark.parametrize("sha", ["", "abc", "g" * 64, "../" * 21 + "x", "AB" * 32 + "\\n"])
def test_what_cannot_be_checked_is_refused(sha: str) -> None:
    with pytest.raises(InputError, match=r"sha256|not a valid lock"):
        plan(package("a", "py3-none-any", sha=sha))


def test_a_sha256_in_capitals_is_the_same() -> None:
    assert plan(package("a", "py3-none-any", sha="AB" * 32)).artifacts[0].sha256 == SHA


def test_other_sources() -> None:
    found = plan(
        f"""
        [[packages]]
        name = "d"
        directory = {{ path = "../d", editable = true, subdirectory = "sub" }}
        [[packages]]
        name = "g"
        vcs = {{ type = "git", url = "https://x/g", requested-revision = "main", commit-id = "c0" }}
        [[packages]]
        name = "s"
        archive = {{ url = "https://x/s-1.zip?q#f", hashes = {{ sha256 = "{SHA}" }} }}
        [[packages]]
        name = "w"
        archive = {{ path = "w-1-py3-none-any.whl", size = 3, hashes = {{ sha256 = "{SHA}" }} }}
        """
    ).artifacts
    assert [(a.kind, a.filename) for a in found] == [
        ("directory", ""),
        ("vcs", ""),
        ("archive", "s-1.zip"),
        ("wheel", "w-1-py3-none-any.whl"),
    ]
    assert (found[0].path, found[0].editable, found[0].subdirectory) == ("../d", True, "sub")
    assert (found[1].vcs, found[1].commit, found[1].revision) == ("git", "c0", "main")
    assert found[0].label == "d"


def test_a_prerelease_of_python_satisfies_its_own_minor() -> None:
    assert interpreter("3.14.0rc1").satisfies(">=3.13")
    assert not interpreter("3.14.0rc1").satisfies(">=3.14.1")
    assert interpreter().satisfies(None)
    assert interpreter().minor == "3.13"
    assert str(interpreter().wheel_tags()[0]) == interpreter().tag


def test_names_are_normalized() -> None:
    assert canonical("Ruamel.Yaml__clib") == "ruamel-yaml-clib"
