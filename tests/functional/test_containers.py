"""``export --format dockerfile|devcontainer``: there is no engine here, so its steps are done by hand."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from support import Index, Project, make_source, make_wheel


@pytest.fixture
def shop(project: Project, index: Index, tmp_path: Path) -> Project:
    index.add(make_wheel(tmp_path / "wheels", "core", "1.0", files={"core.py": "X = 41\n"}))
    make_source(
        project.folder,
        "shop",
        "1.0",
        requires=["core"],
        requires_python=">=3.11",
        files={"shop/__init__.py": "import core\nY = core.X + 1\n"},
    )
    project.ok("lock")
    return project


def instructions(text: str) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile, continued lines joined."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    joined = re.sub(r"\s*\\\n\s*", " ", "\n".join(lines))
    found = []
    for line in joined.splitlines():
        word, _, rest = line.partition(" ")
        assert word in {"FROM", "ENV", "RUN", "WORKDIR", "COPY", "USER", "CMD"}, line
        found.append((word, rest))
    return found


def test_the_stages_of_an_image(shop: Project) -> None:
    text = shop.ok("export", "--format", "dockerfile").stdout
    steps = instructions(text)
    bases = [rest for word, rest in steps if word == "FROM"]
    assert len(bases) == 2
    assert bases[0].endswith(" AS build")
    assert [word for word, _ in steps if word in ("USER", "CMD")] == ["USER", "CMD"]
    last = text[text.rindex("\nFROM") :]
    assert "provenv" not in last.replace(".venvs/prod", "")
    assert "--mount=type=cache,target=" in text
    (copied,) = [rest for word, rest in steps if word == "COPY" and "--from=build" in rest]
    assert copied == "--from=build /app/.venvs/prod .venvs/prod"


def test_what_it_builds_runs_without_store_and_sources(shop: Project, tmp_path: Path) -> None:
    steps = instructions(shop.ok("export", "--format", "dockerfile", "-e", "prod").stdout)
    app = tmp_path / "app"
    app.mkdir()
    first = steps[: [word for word, _ in steps].index("FROM", 1)]
    for word, rest in first:
        if word == "COPY":
            *names, target = rest.split()
            for name in names:
                source, place = shop.folder / name, app / target
                if source.is_dir():
                    shutil.copytree(source, place)
                else:
                    shutil.copy(source, place)
    shutil.copytree(
        shop.folder / "_backend", app / "_backend"
    )  # hatchling would come from an index
    (command,) = [r for w, r in first if w == "RUN" and "sync" in r]
    arguments = re.search(r"provenv (sync [^&]*)&&", command)
    assert arguments is not None
    inside = Project(app, home=tmp_path / "other-home", index_url=shop.env["PROVENV_INDEX_URL"])
    words = arguments[1].split()
    words[words.index("--python") + 1] = os.path.realpath("/proc/self/exe")
    inside.ok(*words)
    final = tmp_path / "final/.venvs/prod"
    shutil.copytree(app / ".venvs/prod", final, symlinks=True)
    for gone in (app, tmp_path / "other-home", shop.home):
        subprocess.run(["rm", "-rf", gone], check=True)
    done = subprocess.run(
        [final / "bin/python", "-c", "import shop; print(shop.Y, shop.__file__)"],
        capture_output=True, text=True, check=False, cwd="/",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[0] == "42"
    assert not any(path.is_symlink() and not path.exists() for path in final.rglob("*"))


def test_a_dev_container_finds_the_environment(shop: Project) -> None:
    shop.ok("export", "--format", "devcontainer", "-o", ".")
    path = shop.folder / ".devcontainer/devcontainer.json"
    lines = path.read_text().splitlines()
    made = json.loads("\n".join(line for line in lines if not line.startswith("//")))
    settings = made["customizations"]["vscode"]["settings"]
    assert settings["python.defaultInterpreterPath"].endswith("/.venv/bin/python")
    assert "sync --locked" in made["postCreateCommand"]


def test_what_somebody_changed_stays(shop: Project) -> None:
    shop.ok("export", "--format", "dockerfile", "-o", "Dockerfile")
    path = shop.folder / "Dockerfile"
    assert "nothing to do" in shop.ok("export", "--format", "dockerfile", "-o", "Dockerfile").stderr
    path.write_text(path.read_text() + "EXPOSE 8000\n")
    shop.fails(2, "export", "--format", "dockerfile", "-o", "Dockerfile")
    assert "EXPOSE" in path.read_text()


def test_a_stale_lock_is_refused(shop: Project) -> None:
    manifest = shop.read("pyproject.toml").replace("'core'", "'core', 'other'")
    shop.pyproject(manifest)
    said = shop.fails(1, "export", "--format", "dockerfile").stderr
    assert "pyproject.toml has changed since pylock.toml was made" in said
    assert not (shop.folder / "Dockerfile").exists()
