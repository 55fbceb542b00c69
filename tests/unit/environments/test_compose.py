"""What is linked whole, where a tree goes deeper, and what the result looks like to Python."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from provenv.core.errors import UnsatisfiableError
from provenv.environments.compose import compose
from provenv.store.verify import verify_object
from support import make_pair, needs_gcc

from .conftest import Workshop

Python = Callable[..., str]


def test_a_package_of_one_owner_is_one_symlink_into_the_store(
    workshop: Workshop, python: Python
) -> None:
    root = workshop.make(workshop.object("alpha", files={"alpha/__init__.py": "x = 1\n"}))
    package = workshop.site(root) / "alpha"
    assert package.is_symlink()
    assert str(package.resolve()).startswith(workshop.home.wheels)
    assert python(root, "import alpha; print(alpha.x)") == "1"


def test_a_namespace_package_is_real_even_with_one_owner(
    workshop: Workshop, python: Python
) -> None:
    root = workshop.make(workshop.object("ns-one", files={"ns/one/__init__.py": "x = 1\n"}))
    site = workshop.site(root)
    assert not (site / "ns").is_symlink()
    assert (site / "ns" / "one").is_symlink()
    (site / "ns" / "two.py").write_text("y = 2\n")  # as another installer would
    assert python(root, "import ns.one, ns.two; print(ns.one.x + ns.two.y)") == "3"


@pytest.mark.parametrize(
    "init",
    [
        "__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n",
        "__import__('pkg_resources').declare_namespace(__name__)\n",
    ],
)
def test_older_namespace_packages_are_real_too(workshop: Workshop, init: str) -> None:
    files = {"ns/__init__.py": init, "ns/one/__init__.py": ""}
    root = workshop.make(workshop.object("ns-one", files=files))
    assert not (workshop.site(root) / "ns").is_symlink()
    assert (workshop.site(root) / "ns" / "one").is_symlink()


def test_a_shared_directory_holds_the_files_of_all(workshop: Workshop, python: Python) -> None:
    one = workshop.object("ns-one", files={"ns/sub/__init__.py": "", "ns/sub/one.py": "x = 1\n"})
    two = workshop.object("ns-two", files={"ns/sub/__init__.py": "", "ns/sub/two.py": "y = 2\n"})
    root = workshop.make(one, two)
    assert not (workshop.site(root) / "ns" / "sub").is_symlink()
    assert python(root, "from ns.sub import one, two; print(one.x + two.y)") == "3"


def test_a_data_only_directory_is_linked_whole(workshop: Workshop) -> None:
    files = {"alpha/__init__.py": "", "alpha.libs/readme.txt": "data"}
    root = workshop.make(workshop.object("alpha", files=files))
    assert (workshop.site(root) / "alpha.libs").is_symlink()


def test_single_modules_are_hard_links(workshop: Workshop, python: Python) -> None:
    stored = workshop.object("six", files={"six.py": "x = 6\n"})
    root = workshop.make(stored)
    module = workshop.site(root) / "six.py"
    assert not module.is_symlink()
    assert module.stat().st_ino == os.stat(f"{stored.folder}/site/six.py").st_ino
    assert python(root, "import six; print(six.x)") == "6"


def test_dist_info_is_real_and_has_no_readable_record_in_a_linked_tree(
    workshop: Workshop, python: Python
) -> None:
    root = workshop.make(workshop.object("alpha"))
    info = workshop.site(root) / "alpha-1.0.dist-info"
    assert info.is_dir()
    assert not info.is_symlink()
    assert (info / "RECORD").is_dir()  # pip: as if there were none; uv: cannot be read
    assert (info / "INSTALLER").read_text().strip() == "provenv"
    code = "import importlib.metadata as m; print(m.version('alpha'), len(m.files('alpha')) > 2)"
    assert python(root, code) == "1.0 True"


@pytest.mark.parametrize("mode", ["hardlink", "clone", "copy"])
def test_a_stand_alone_tree_has_no_symlink_into_the_store(workshop: Workshop, mode: str) -> None:
    files = {"alpha/__init__.py": "x = 1\n", "alpha/data/table.csv": "1,2\n"}
    root = workshop.make(workshop.object("alpha", files=files), mode=mode)
    for folder, names, leaves in os.walk(workshop.site(root)):
        for name in [*names, *leaves]:
            assert not os.path.islink(f"{folder}/{name}")
    table = workshop.site(root) / "alpha" / "data" / "table.csv"
    assert table.read_text() == "1,2\n"
    assert (table.stat().st_nlink > 1) == (mode == "hardlink")


def test_a_copied_file_can_be_edited_and_the_store_stays(workshop: Workshop) -> None:
    stored = workshop.object("alpha", files={"alpha/__init__.py": "x = 1\n"})
    root = workshop.make(stored, mode="copy")
    module = workshop.site(root) / "alpha" / "__init__.py"
    assert module.stat().st_mode & stat.S_IWUSR
    module.write_text("x = 2\n")
    assert verify_object(stored) == []


def test_data_files_lie_at_the_root_and_shared_levels_are_real(workshop: Workshop) -> None:
    data = {"share/jupyter/labextensions/mine/package.json": "{}", "etc/tool.conf": "on\n"}
    root = workshop.make(workshop.object("alpha", data=data))
    assert (root / "etc" / "tool.conf").read_text() == "on\n"
    assert not (root / "share" / "jupyter" / "labextensions").is_symlink()
    assert (root / "share" / "jupyter" / "labextensions" / "mine").is_symlink()


def test_equal_bytes_of_two_owners_are_one_file(workshop: Workshop) -> None:
    one = workshop.object("one", files={"shared.py": "x = 1\n", "one.py": ""})
    two = workshop.object("two", files={"shared.py": "x = 1\n", "two.py": ""})
    root = workshop.make(one, two)
    assert (workshop.site(root) / "shared.py").read_text() == "x = 1\n"


def test_different_bytes_of_two_owners_are_an_error_that_names_both(workshop: Workshop) -> None:
    one = workshop.object("one", files={"shared.py": "x = 1\n"})
    two = workshop.object("two", files={"shared.py": "x = 2\n"})
    with pytest.raises(UnsatisfiableError) as caught:
        compose(workshop.home, [one, two], workshop.interpreter)
    assert "one 1.0 and two 1.0 both install" in caught.value.message
    assert "shared.py" in caught.value.message
    assert "file-owners" in (caught.value.hint or "")


def test_the_manifest_may_say_who_wins(workshop: Workshop) -> None:
    one = workshop.object("one", files={"shared.py": "x = 1\n"})
    two = workshop.object("two", files={"shared.py": "x = 2\n"})
    steps, _ = compose(
        workshop.home, [one, two], workshop.interpreter, file_owners={"shared.py": "two"}
    )
    source = next(source for _, source, path in steps if path.endswith("/shared.py"))
    assert two.sha256 in source


def test_scripts_run_with_the_interpreter_of_their_own_tree(workshop: Workshop) -> None:
    import subprocess

    stored = workshop.object(
        "alpha",
        files={"alpha/__init__.py": "def main():\n    import sys; print(sys.prefix)\n"},
        entry_points={"console_scripts": {"alpha": "alpha:main"}},
    )
    first, second = (workshop.make(stored, name=name) for name in ("first", "with space"))
    for root in (first, second):
        done = subprocess.run([root / "bin" / "alpha"], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == str(root)


@needs_gcc
@pytest.mark.parametrize("mode", ["linked", "hardlink", "clone", "copy"])
def test_a_library_that_finds_another_wheel_by_its_runpath(
    workshop: Workshop, python: Python, tmp_path: Path, mode: str
) -> None:
    from provenv.store.ingest import ingest
    from support.wheels import sha256_of

    objects = [
        ingest(workshop.home, str(w), filename=w.name, sha256=sha256_of(w), size=w.stat().st_size)
        for w in make_pair(tmp_path / "pair")
    ]
    root = workshop.make(*objects, mode=mode)
    assert python(root, "import outer; print(outer.answer())") == "42"
