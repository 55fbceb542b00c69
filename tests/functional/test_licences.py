"""Licences of locked packages: known before they are installed, offline afterwards, and never guessed."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import Index, Project, make_wheel
from support.wheels import metadata_text

RULE = """\
schema = 1
[[rule]]
id = "ours"
kind = "licence"
environments = ["prod"]
allow = ["MIT"]
"""


def put(index: Index, folder: Path, name: str, *lines: str, version: str = "1.0") -> None:
    text = metadata_text(name, version) + "".join(f"{line}\n" for line in lines)
    index.add(make_wheel(folder / "w", name, version, metadata=text))


@pytest.fixture
def shop(project: Project, index: Index, tmp_path: Path) -> Project:
    """``free`` is under MIT or GPL, ``vague`` under some BSD licence."""
    put(index, tmp_path, "free", "License-Expression: MIT OR GPL-3.0-only")
    put(index, tmp_path, "vague", "Classifier: License :: OSI Approved :: BSD License")
    return project


def test_a_lock_brings_what_the_rule_asks(shop: Project) -> None:
    shop.depends("free", "vague")
    shop.write("provenv-policy.toml", RULE)
    shop.ok("lock")
    said = shop.fails(3, "policy", "check", "-e", "prod", "--offline").stdout
    assert "vague 1.0  prod  its licence cannot be told: 'BSD License' may be several" in said
    assert "free" not in said
    told = shop.ok("policy", "explain", "free").stdout
    assert "free 1.0: licence MIT OR GPL-3.0-only (License-Expression)" in told
    assert shop.ok("policy", "explain", "vague", "--json").json["licences"] == [
        {
            "version": "1.0",
            "expression": None,
            "source": None,
            "certain": True,
            "reason": "'BSD License' may be several licences",
        }
    ]
    shop.write("provenv-policy.toml", RULE + 'packages = { "vague<2" = "BSD-3-Clause" }\n')
    assert "BSD-3-Clause is not allowed" in shop.fails(1, "policy", "check").stdout
    shop.write("provenv-policy.toml", RULE + 'packages = { "vague<2" = "MIT" }\n')
    shop.ok("policy", "check")


def test_locking_goes_round_what_is_not_allowed(
    shop: Project, index: Index, tmp_path: Path
) -> None:
    for version in ("2.0", "3.0"):
        put(index, tmp_path, "free", "License-Expression: GPL-3.0-only", version=version)
    shop.depends("free")
    shop.write("provenv-policy.toml", RULE)
    said = shop.ok("lock").stderr
    assert "excluded: free 3.0 by ours (GPL-3.0-only is not allowed)" in said
    assert 'version = "1.0"' in shop.read("pylock.toml")
    assert len(index.paths("*/free-2.0*.metadata")) > 0  # and was not locked first to find out
    shop.ok("sync", "-e", "prod")


@pytest.mark.slow
def test_what_is_in_the_store_needs_no_index(shop: Project, index: Index) -> None:
    shop.depends("free")
    shop.ok("lock")
    shop.write("provenv-policy.toml", RULE)
    said = shop.fails(3, "policy", "check").stdout
    assert "its metadata are not on this machine: `provenv sync`" in said
    assert "its licence cannot be told" in shop.fails(3, "sync", "-e", "prod").stderr
    shop.ok("sync", "-e", "dev")  # which the rule is not about
    shop.ok("policy", "check", "--offline")
    shop.ok("sync", "-e", "prod")
    # and what was changed there is not believed
    (path,) = shop.home.glob("provenv/store/wheels/*/*/site/free-1.0.dist-info/METADATA")
    path.chmod(0o644)
    path.write_text(path.read_text().replace("MIT OR GPL-3.0-only", "MIT"))
    assert "is not what the wheel had" in shop.fails(3, "policy", "check").stdout


@pytest.mark.slow
def test_metadata_that_are_not_what_the_page_says(shop: Project, index: Index) -> None:
    shop.depends("free")
    shop.ok("lock")
    shop.write("provenv-policy.toml", RULE)
    index.fault("*/free-1.0-py3-none-any.whl.metadata", wrong=True)
    shop.depends("free", "vague")
    shop.run("lock")  # the resolver may refuse as well
    assert "free" not in shop.fails(3, "policy", "check").stdout  # its wheel has said it
    assert not [p for p in shop.home.glob("provenv/cache/metadata/*/*") if "MIT" in p.read_text()]


@pytest.mark.slow
def test_of_what_was_built_the_environment_knows(project: Project, tmp_path: Path) -> None:
    source = tmp_path / "lib"
    source.mkdir()
    (source / "pyproject.toml").write_text(
        '[project]\nname = "lib"\nversion = "1"\nlicense = "MIT"\n'
        '[build-system]\nrequires = []\nbuild-backend = "own"\nbackend-path = ["."]\n'
    )
    (source / "own.py").write_text(BACKEND)
    project.depends(f"lib @ {source.as_uri()}")
    project.write("provenv-policy.toml", RULE)
    project.ok("lock")
    assert "it has to be built before it can be asked" in project.fails(3, "policy", "check").stdout
    project.fails(3, "sync", "-e", "prod")
    project.ok("sync", "-e", "dev")
    project.ok("policy", "check")
    project.ok("sync", "-e", "prod")


@pytest.mark.slow
def test_an_index_without_metadata(project: Project, index: Index, tmp_path: Path) -> None:
    rows = [("old", "1.0", "MIT"), ("old", "2.0", "GPL-3.0-only")]
    rows += [("worse", f"{number}.0", "GPL-3.0-only") for number in range(6)]
    for name, version, licence in rows:
        text = metadata_text(name, version) + f"License-Expression: {licence}\n"
        index.add(make_wheel(tmp_path / "w", name, version, metadata=text), metadata=False)
    project.depends("old")
    project.write("provenv-policy.toml", RULE)
    assert "excluded: old 2.0 by ours" in project.ok("lock").stderr
    project.ok("sync", "-e", "prod")
    project.depends("worse")
    said = project.fails(1, "lock").stderr
    assert "its index does not say what others are under" in said  # and does not go on for ever


BACKEND = """
import zipfile, hashlib, base64
META = "Metadata-Version: 2.4\\nName: lib\\nVersion: 1\\nLicense-Expression: MIT\\n"
def build_wheel(folder, settings=None, metadata=None):
    files = {"lib.py": "", "lib-1.dist-info/METADATA": META,
             "lib-1.dist-info/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"}
    rows = ""
    with zipfile.ZipFile(folder + "/lib-1-py3-none-any.whl", "w") as out:
        for name, text in files.items():
            out.writestr(name, text)
            value = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            rows += f"{name},sha256={value},{len(text)}\\n"
        out.writestr("lib-1.dist-info/RECORD", rows + "lib-1.dist-info/RECORD,,\\n")
    return "lib-1-py3-none-any.whl"
"""
