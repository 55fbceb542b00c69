"""``setup.cfg`` and ``setup.py``, which is read and never run."""

from __future__ import annotations

from pathlib import Path

import pytest

from provenv.core.errors import InputError
from unit.formats.reading import read_file, write_file


def test_what_stands_literally_in_setup_py(tmp_path: Path) -> None:
    path = write_file(
        tmp_path,
        "setup.py",
        """
import os, sys
from setuptools import setup, find_packages

raise SystemExit("this is never run")

BASE = ["web>=1.0"]
REQUIRES = BASE + ["core"]
EXTRAS = dict(docs=["sphinx"])
setup(
    name="shop",
    version="1." + "2",
    python_requires=">=3.9",
    packages=find_packages(),
    install_requires=REQUIRES,
    extras_require={"docs": EXTRAS["docs"], ":sys_platform == 'win32'": ["colorama"]},
    entry_points={"console_scripts": ["shop = shop:main"], "pytest11": ["x = y"]},
    description="A shop",
)
""",
    )
    foreign = read_file(path)
    assert (foreign.name, foreign.version) == ("shop", "1.2")
    assert foreign.dependencies == ("web>=1.0", "core", "colorama ; (sys_platform == 'win32')")
    assert foreign.extras == {"docs": ("sphinx",)}
    assert foreign.requires_python == ">=3.9"
    assert foreign.scripts == {"shop": "shop:main"}
    assert foreign.dynamic == ("description", "entry-points")
    assert foreign.left == ()


@pytest.mark.parametrize(
    "code",
    [
        "setup(name='x', install_requires=open('r.txt').read().split())",
        "R = ['a']\nR.append('b')\nsetup(name='x', install_requires=R)",
        "R = ['a']\nR += ['b']\nsetup(name='x', install_requires=R)",
        "R = ['a']\nif 1:\n    R = ['b']\nsetup(name='x', install_requires=R)",
        "R = [f'{x}' for x in 'ab']\nsetup(name='x', install_requires=R)",
    ],
)
def test_what_is_computed_is_named(tmp_path: Path, code: str) -> None:
    foreign = read_file(write_file(tmp_path, "setup.py", code))
    assert foreign.dependencies == ()
    assert [item.what.partition(" ")[0] for item in foreign.left] == ["install_requires"]


def test_setup_cfg(tmp_path: Path) -> None:
    write_file(tmp_path, "requirements.txt", "web>=1.0\n# no\ncore\n")
    path = write_file(
        tmp_path,
        "setup.cfg",
        """
[metadata]
name = shop
version = attr: shop.__version__
description = A shop
[options]
python_requires = >=3.9
install_requires = file: requirements.txt
[options.extras_require]
docs =
    sphinx>=7
    furo  # a theme
[options.entry_points]
console_scripts =
    shop = shop.cli:main
[flake8]
max-line-length = 100
""",
    )
    foreign = read_file(path)
    assert foreign.dependencies == ("web>=1.0", "core")
    assert foreign.extras == {"docs": ("sphinx>=7", "furo")}
    assert foreign.dynamic == ("description", "version")
    assert foreign.scripts == {"shop": "shop.cli:main"}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("setup.py", "setup(", "line 1"),
        ("setup.py", "print('hello')", "does not call setup"),
        ("setup.cfg", "rubbish", "not a setup.cfg"),
        ("setup.py", "setup(name='x', install_requires=['what is this'])", "install_requires"),
        ("setup.py", "setup(name='x', python_requires='often')", "python_requires"),
    ],
)
def test_what_is_none(tmp_path: Path, name: str, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_file(write_file(tmp_path, name, text))
