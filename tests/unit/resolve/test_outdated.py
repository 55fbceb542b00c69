from __future__ import annotations

from pathlib import Path

from provenv.model.manifest import parse_manifest
from provenv.resolve.outdated import outdated
from unit.resolve.little_index import LittleIndex
from unit.resolve.locking import Project

MANIFEST = (
    '[project]\nname = "demo"\nversion = "1"\nrequires-python = ">=3.11,<4"\n'
    'dependencies = ["alpha", "beta<2", "early==1.0b1", "plain"]\n'
    '[tool.uv.sources]\nplain = { path = "../plain" }\n'
)


def test_what_is_newer_and_what_would_be_allowed(
    project: Project, index: LittleIndex, tmp_path: Path
) -> None:
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "pyproject.toml").write_text('[project]\nname = "plain"\nversion = "1"\n')
    for name in ("alpha", "beta"):
        index.add(name, "1.0")
    index.add("early", "1.0b1")
    lock = project.lock(MANIFEST)
    for version in ("1.1", "2.0", "3.0a1", "4.0"):
        index.add("beta", version)
    index.yanked.add("beta-4.0-py3-none-any.whl")
    index.add("early", "1.0b2")
    found = outdated(
        parse_manifest(MANIFEST), lock, project=str(project.folder), settings=project.settings
    )
    rows = {row.name: (row.locked, row.allowed, row.latest, row.outdated) for row in found}
    assert rows == {
        "alpha": ("1.0", "1.0", "1.0", False),
        "beta": ("1.0", "1.1", "2.0", True),
        "early": ("1.0b1", "1.0b1", "1.0b2", True),
    }
    assert {row.index for row in found} == {index.simple}


def test_what_could_not_be_found_out_is_inconclusive(project: Project, index: LittleIndex) -> None:
    index.add("alpha", "1.0")
    manifest = MANIFEST.split("dependencies")[0] + 'dependencies = ["alpha"]\n'
    lock = project.lock(manifest)
    index.html = True
    (row,) = outdated(
        parse_manifest(manifest), lock, project=str(project.folder), settings=project.settings
    )
    assert (row.latest, row.outdated) == (None, False)
    assert "does not speak JSON" in str(row.inconclusive)
