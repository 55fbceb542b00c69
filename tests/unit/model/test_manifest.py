from __future__ import annotations

import textwrap

import pytest

from provenv.core.errors import InputError, UsageError
from provenv.model.manifest import EnvironmentSpec, IndexSpec, Manifest, parse_manifest


def parse(text: str) -> Manifest:
    return parse_manifest(textwrap.dedent(text).lstrip("\n"))


FULL = """
    [build-system]
    requires = ["hatchling"]
    build-backend = "hatchling.build"

    [project]
    name = "My.Shop"
    version = "1.0"
    requires-python = ">=3.11"
    dependencies = ["fastapi >= 0.1", "six; python_version < '3'"]

    [project.optional-dependencies]
    Fast_API = ["uvloop"]

    [dependency-groups]
    Lint = ["ruff"]
    test = ["pytest"]
    dev = [{ include-group = "test" }, { include-group = "lint" }, "ipython"]

    [tool.uv]
    constraint-dependencies = ["idna<4"]
    [tool.uv.sources]
    six = { index = "corp" }

    [tool.provenv]
    link-mode = "hardlink"
    no-build = ["NumPy"]
    conflicts = [["test", "lint"]]
    keep = 2
    file-owners = { "cv2/*" = "OpenCV_python" }

    [[tool.provenv.index]]
    name = "corp"
    url = "https://corp.example/simple"
    explicit = true
    packages = ["Corp_Lib"]

    [tool.provenv.environments]
    docs = { groups = ["lint"], python = "3.12" }
    nightly = { inherits = "docs", extras = ["fast-api"], python = ["3.14"], editable = false }
    prod = { link-mode = "copy" }
"""


def test_everything_is_read_and_names_are_normalized() -> None:
    manifest = parse(FULL)
    assert (manifest.name, manifest.version) == ("My.Shop", "1.0")
    assert manifest.dependencies == ("fastapi >= 0.1", "six; python_version < '3'")
    assert manifest.optional_dependencies == {"fast-api": ("uvloop",)}
    assert manifest.groups == {
        "lint": ("ruff",),
        "test": ("pytest",),
        "dev": ("pytest", "ruff", "ipython"),
    }
    assert manifest.installable
    assert manifest.sources == {"six": {"index": "corp"}}
    assert manifest.uv == {"constraint-dependencies": ["idna<4"]}
    assert manifest.no_build == ("numpy",)
    assert manifest.conflicts == (("test", "lint"),)
    assert manifest.keep == 2
    assert manifest.file_owners == {"cv2/*": "opencv-python"}
    assert manifest.indexes == (
        IndexSpec(
            name="corp", url="https://corp.example/simple", explicit=True, packages=("corp-lib",)
        ),
    )


def test_environments_are_built_in_declared_and_inherited() -> None:
    manifest = parse(FULL)
    assert list(manifest.environments) == ["dev", "test", "staging", "prod", "docs", "nightly"]
    assert manifest.environment() == EnvironmentSpec(
        name="dev", groups=("dev",), link_mode="hardlink"
    )
    assert manifest.environment("test").groups == ("test",)
    assert manifest.environment("staging") == EnvironmentSpec(
        name="staging", editable=False, link_mode="hardlink"
    )
    assert manifest.environment("prod").link_mode == "copy"
    assert manifest.environment("nightly") == EnvironmentSpec(
        name="nightly", groups=("lint",), extras=("fast-api",), python=("3.14",),
        editable=False, link_mode="hardlink",
    )  # fmt: skip


def test_seeds_are_groups_of_the_lock_alone() -> None:
    text = """
        [tool.provenv.environments]
        dev = { seed = ["wheel", "PIP", "pip"], prompt = "it's", system-site-packages = true }
        test = { inherits = "dev", prompt = "t" }
        prod = { inherits = "dev", seed = [], system-site-packages = false }
    """
    manifest = parse(text)
    dev, test, prod = (manifest.environment(name) for name in ("dev", "test", "prod"))
    assert (dev.seed, dev.prompt, dev.system_site_packages) == (("pip", "wheel"), "it's", True)
    assert dev.groups == ()
    assert dev.lock_groups == ("provenv-seed-pip", "provenv-seed-wheel")
    assert (test.seed, test.prompt, test.system_site_packages) == (("pip", "wheel"), "t", True)
    assert (prod.seed, prod.prompt, prod.system_site_packages) == ((), "it's", False)
    assert manifest.groups == {"provenv-seed-pip": ("pip",), "provenv-seed-wheel": ("wheel",)}
    assert manifest.lock_digest() != parse(text.replace('"PIP", "pip"', "")).lock_digest()
    assert manifest.lock_digest() == parse(text.replace("it's", "its")).lock_digest()


def test_an_unknown_environment_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="unknown environment 'x'") as caught:
        parse(FULL).environment("x")
    assert "dev, test, staging, prod, docs, nightly" in (caught.value.hint or "")


def test_the_nearest_known_environment_stands_first() -> None:
    with pytest.raises(UsageError) as caught:
        parse(FULL).environment("stagin")
    hint = caught.value.hint or ""
    assert hint.startswith("Did you mean 'staging'? Known environments: staging, dev, test, prod,")


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "/x", "a/b", ".x", "-x", "a b", "a\nb"])
def test_what_can_be_no_name_is_refused_as_that(name: str) -> None:
    with pytest.raises(UsageError, match="is not the name of an environment"):
        parse(FULL).environment(name)


SEVERAL = """
    [tool.provenv]
    default-environment = "test"
    [tool.provenv.environments]
    test = { python = ["3.12", "pypy3.11", "3.13t"] }
    one = { python = ["3.12"] }
    more = { inherits = "test" }
"""


def test_a_list_of_pythons_is_one_environment_for_each() -> None:
    manifest = parse(SEVERAL)
    assert [(s.name, s.python) for s in manifest.instances("test")] == [
        ("test@3.12", ("3.12",)), ("test@pypy3.11", ("pypy3.11",)), ("test@3.13t", ("3.13t",)),
    ]  # fmt: skip
    assert manifest.environment("more").name == "more@3.12"
    assert manifest.environment("test@3.13t").python == ("3.13t",)
    assert manifest.instances("test@3.13t") == (manifest.environment("test@3.13t"),)
    assert manifest.environment() == manifest.environment("test@3.12")
    assert [s.name for s in manifest.instances("one")] == ["one"]
    assert "test@pypy3.11" in [s.name for s in manifest.all_instances()]


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("test@3.9", "'test' does not declare Python '3.9'", "test@3.12, test@pypy3.11, test@3.13t"),
        ("test@", "does not declare Python ''", "test@3.12"),
        ("one@3.12", "'one' is not one of several Pythons", "It is called 'one'"),
        ("tset@3.12", "unknown environment 'tset'", "Did you mean 'test'?"),
    ],
)  # fmt: skip
def test_a_python_that_is_not_declared_is_named(name: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        parse(SEVERAL).environment(name)
    assert hint in (caught.value.hint or "")


def test_an_empty_file_is_a_manifest() -> None:
    manifest = parse("")
    assert manifest.name is None
    assert not manifest.installable
    assert manifest.environment().groups == ()
    assert manifest.keep == 5


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        ("", ("dev",)),
        ("[tool.provenv]\ndefault-groups = ['A']", ("a",)),
        ("[tool.provenv]\ndefault-groups = []", ()),
        ("[tool.uv]\ndefault-groups = ['a', 'gone']", ("a",)),
        ("[tool.uv]\ndefault-groups = 'all'", ("dev", "a")),
        ("[tool.uv]\ndefault-groups = ['a']\n[tool.provenv]\ndefault-groups = ['dev']", ("dev",)),
    ],
)
def test_default_groups(more: str, wanted: tuple[str, ...]) -> None:
    manifest = parse_manifest(f"[dependency-groups]\ndev = ['x']\na = ['y']\n{more}\n")
    assert manifest.default_groups == wanted
    assert manifest.environment("dev").groups == wanted


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("fastapi >= 0.1", "fastapi >= 0.2"),
        ('requires-python = ">=3.11"', 'requires-python = ">=3.12"'),
        ('"uvloop"', '"uvloop>1"'),
        ('"ipython"', '"ipython>1"'),
        ("idna<4", "idna<5"),
        ('index = "corp"', 'path = "x"'),
        ("corp.example/simple", "corp.example/other"),
        ('["Corp_Lib"]', '["other"]'),
        ('["NumPy"]', "true"),
        ('[["test", "lint"]]', "[]"),
    ],
)
def test_the_lock_digest_changes_with_what_the_lock_depends_on(before: str, after: str) -> None:
    assert before in FULL
    assert parse(FULL.replace(before, after)).lock_digest() != parse(FULL).lock_digest()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('version = "1.0"', 'version = "1.1"'),
        ("keep = 2", "keep = 3"),
        ('link-mode = "hardlink"', 'link-mode = "linked"'),
        ('python = "3.12"', 'python = "3.13"'),
        ("[project]", "# a comment\n\n    [project]"),
        ("ruff", "ruff"),
    ],
)
def test_the_lock_digest_does_not_change_with_anything_else(before: str, after: str) -> None:
    assert before in FULL
    assert parse(FULL.replace(before, after)).lock_digest() == parse(FULL).lock_digest()


INHERIT_EACH_OTHER = """\
[tool.provenv.environments.x]
inherits = "y"
[tool.provenv.environments.y]
inherits = "x"
"""
TWO_OF_ONE_NAME = """\
[[tool.provenv.index]]
name = "a"
url = "https://x"
[[tool.provenv.index]]
name = "a"
url = "https://y"
"""
ERRORS = [
    # the project itself
    ("project = 3", 1, "project", "must be a table"),
    ("[project]\nname = 3", 2, "project.name", "must be a string"),
    ("[project]\nname = 'a b'", 2, "project.name", "'a b' is not a distribution's name"),
    ("[project]\nversion = 'one'", 2, "project.version", "'one' is not a version (PEP 440)"),
    ("[project]\nrequires-python = '3.11+'", 2, "project.requires-python",
     "'3.11+' is not a version specifier"),
    ("[project]\ndependencies = ['a >> 2']", 2, "project.dependencies",
     "item 0, 'a >> 2', is not a valid requirement (PEP 508): "),
    ("[project]\ndependencies = ['a', 3]", 2, "project.dependencies", "item 1 must be a string"),
    ("[project]\ndependencies = 'a'", 2, "project.dependencies", "must be an array"),
    ("[project.optional-dependencies]\nx = ['a b']", 2, "project.optional-dependencies.x",
     "item 0, 'a b', is not a valid requirement"),
    ("[project.optional-dependencies]\na-b = []\nA_B = []", 3,
     "project.optional-dependencies.A_B", "is the same extra as 'a-b'"),
    ("build-system = 3", 1, "build-system", "must be a table"),
    # dependency groups
    ("dependency-groups = 3", 1, "dependency-groups", "must be a table"),
    ("[dependency-groups]\ndev = 'pytest'", 2, "dependency-groups.dev", "must be an array"),
    ("[dependency-groups]\ndev = [3]", 2, "dependency-groups.dev",
     "Invalid dependency group item: 3"),
    ("[dependency-groups]\ndev = ['a b']", 2, "dependency-groups.dev", "Expected semicolon"),
    ("[dependency-groups]\ndev = [{include-group = 'x'}]", 2, "dependency-groups.dev",
     "Dependency group 'x' not found"),
    ("[dependency-groups]\na = [{include-group = 'b'}]\nb = [{include-group = 'a'}]", 2,
     "dependency-groups.a", "Cyclic dependency group include"),
    ("[dependency-groups]\ndev = []\nDev = []", 3, "dependency-groups.Dev",
     "is the same group as 'dev'"),
    ("[tool.uv]\nsources = 3", 2, "tool.uv.sources", "must be a table"),
    # tools
    ("[tool.provenv]\nlink-mod = 'copy'", 2, "tool.provenv.link-mod", "unknown key"),
    ("[tool.provenv]\nlink-mode = 'fast'", 2, "tool.provenv.link-mode",
     "'fast' is not one of linked, hardlink, clone, copy"),
    ("[tool.provenv]\nkeep = -1", 2, "tool.provenv.keep", "must not be negative"),
    ("[tool.provenv]\nkeep = true", 2, "tool.provenv.keep", "must be a whole number"),
    ("[tool.provenv]\nno-build = 'all'", 2, "tool.provenv.no-build",
     "must be true, false or an array of names"),
    ("[tool.provenv]\ndefault-environment = 'x'", 2, "tool.provenv.default-environment",
     "there is no environment 'x'"),
    ("[tool.provenv]\ndefault-groups = ['x']", 2, "tool.provenv.default-groups",
     "there is no dependency group 'x'"),
    ("[tool.provenv]\nconflicts = ['a']", 2, "tool.provenv.conflicts",
     "item 0 must be an array of group names"),
    ("[tool.provenv]\nconflicts = [['a', 'b']]", 2, "tool.provenv.conflicts",
     "there is no dependency group 'a'"),
    ("[tool.provenv.file-owners]\n'a/*' = 3", 2, "tool.provenv.file-owners.a/*",
     "must be a string"),
    # environments
    ("[tool.provenv]\nenvironments = 3", 2, "tool.provenv.environments", "must be a table"),
    ("[tool.provenv.environments]\nx = 3", 2, "tool.provenv.environments.x", "must be a table"),
    ("[tool.provenv.environments]\n'a/b' = {}", 2, "tool.provenv.environments.a/b",
     "a name holds letters, digits, '-', '_' and '.' only"),
    ("[tool.provenv.environments]\n'..' = {}", 2, "tool.provenv.environments...",
     "a name holds letters, digits, '-', '_' and '.' only"),
    (INHERIT_EACH_OTHER, 4, "tool.provenv.environments.y.inherits",
     "environments inherit from each other: x → y → x"),
    ("[tool.provenv.environments.x]\ninherits = 'x'", 2, "tool.provenv.environments.x.inherits",
     "environments inherit from each other: x → x"),
    ("[tool.provenv.environments.x]\ninherits = 'no'", 2, "tool.provenv.environments.x.inherits",
     "there is no environment 'no'"),
    ("[tool.provenv.environments.x]\ngroups = ['no']", 2, "tool.provenv.environments.x.groups",
     "there is no dependency group 'no'"),
    ("[tool.provenv.environments.x]\nextras = ['no']", 2, "tool.provenv.environments.x.extras",
     "there is no extra 'no'"),
    ("[tool.provenv.environments.x]\neditable = 'yes'", 2,
     "tool.provenv.environments.x.editable", "must be true or false"),
    ("[tool.provenv.environments.x]\npython = 3.12", 2, "tool.provenv.environments.x.python",
     "must be a string"),
    ("[tool.provenv.environments.x]\npython = ' '", 2, "tool.provenv.environments.x.python",
     "a request for an interpreter is empty"),
    ("[tool.provenv.environments.x]\npython = ['3.12', '>=3.11']", 2,
     "tool.provenv.environments.x.python", "'>=3.11' cannot be part of an environment's name"),
    ("[tool.provenv.environments.x]\npython = ['3.12', '../x']", 2,
     "tool.provenv.environments.x.python", "'../x' cannot be part of an environment's name"),
    ("[tool.provenv.environments.x]\npython = ['3.12', 'pypy@3.11']", 2,
     "tool.provenv.environments.x.python", "'pypy@3.11' cannot be part of an environment's name"),
    ("[tool.provenv.environments.x]\npython = ['Pypy3.11', 'pypy3.11']", 2,
     "tool.provenv.environments.x.python", "'pypy3.11' is there twice"),
    ("[tool.provenv.environments]\n'' = {}", 2, "tool.provenv.environments",
     "an environment has an empty name"),
    ("[tool.provenv.environments]\n'-x' = {}", 2, "tool.provenv.environments.-x",
     "a name holds letters, digits, '-', '_' and '.' only"),
    ("[tool.provenv.environments.x]\nlink-mode = 'fast'", 2,
     "tool.provenv.environments.x.link-mode", "'fast' is not one of"),
    ("[tool.provenv.environments.x]\ngroup = []", 2, "tool.provenv.environments.x.group",
     "unknown key"),
    ("[tool.provenv.environments.x]\nseed = 'pip'", 2, "tool.provenv.environments.x.seed",
     "must be an array"),
    ("[tool.provenv.environments.x]\nseed = ['pip>20']", 2, "tool.provenv.environments.x.seed",
     "'pip>20' is not one of pip, setuptools, wheel"),
    ("[tool.provenv.environments.x]\nprompt = ''", 2, "tool.provenv.environments.x.prompt",
     "must be one line of text"),
    ('[tool.provenv.environments.x]\nprompt = "a\\nhome = /evil"', 2,
     "tool.provenv.environments.x.prompt", "must be one line of text"),
    ("[tool.provenv.environments.x]\nsystem-site-packages = 'yes'", 2,
     "tool.provenv.environments.x.system-site-packages", "must be true or false"),
    ("[dependency-groups]\nProvenv_seed_pip = []", 2, "dependency-groups.Provenv_seed_pip",
     "names that begin with 'provenv-seed-' are kept for seeds"),
    # indexes
    ("[tool.provenv]\nindex = [3]", 2, "tool.provenv.index", "item 0 must be a table"),
    ("[[tool.provenv.index]]\nname = 'a'", 1, "tool.provenv.index[0].url", "is missing"),
    ("[[tool.provenv.index]]\nurl = 'https://x'", 1, "tool.provenv.index[0].name", "is missing"),
    ("[[tool.provenv.index]]\nname = 'a'\nurl = 'https://u:p@x/s'", 3,
     "tool.provenv.index[0].url", "must not hold credentials"),
    (TWO_OF_ONE_NAME, 5, "tool.provenv.index[1].name",
     "two indexes are called 'a'"),
    ("[[tool.provenv.index]]\nname = 'a'\nurl = 'https://x'\nforce = 1", 4,
     "tool.provenv.index[0].force", "unknown key"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "key", "message"), ERRORS, ids=[e[2] for e in ERRORS])
def test_what_is_wrong_is_named_with_line_and_key(
    text: str, line: int, key: str, message: str
) -> None:
    with pytest.raises(InputError) as caught:
        parse_manifest(text)
    assert caught.value.message.startswith(f"pyproject.toml:{line}: {key}: {message}")
    assert caught.value.details == {"file": "pyproject.toml", "key": key, "line": line}


def test_two_defaults_are_refused() -> None:
    entry = "[[tool.provenv.index]]\nname = '{0}'\nurl = 'https://{0}'\ndefault = true\n"
    with pytest.raises(InputError, match="more than one index says `default = true`"):
        parse_manifest(entry.format("a") + entry.format("b"))


def test_the_mirror_for_pythons_holds_no_credentials() -> None:
    start = '[tool.provenv]\npython-mirror = "https://'
    assert parse(f'{start}mirror.example/p"').python_mirror == "https://mirror.example/p"
    assert parse("").python_mirror is None
    with pytest.raises(InputError, match=r"python-mirror: must not hold credentials"):
        parse(f'{start}me:word@mirror.example/p"')
