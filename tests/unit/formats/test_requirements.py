"""``requirements.txt`` as pip reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from provenv.core.errors import InputError
from unit.formats.reading import read_file, versions, write_file

SHA = "ab" * 32
OTHER = "cd" * 32


def test_hashes_markers_comments_and_continued_lines(tmp_path: Path) -> None:
    path = write_file(
        tmp_path,
        "requirements.txt",
        f"""# a comment
web==1.0 ; python_version >= "3" \\
    --hash=sha256:{SHA} \\
    --hash=sha256:{OTHER}  # why
    # via something
Core[fast]===2.0 # another

old==1 ; python_version < "3"
""",
    )
    foreign = read_file(path)
    assert versions(foreign) == {"core": "2.0", "web": "1.0"}
    web = next(pin for pin in foreign.pins if pin.name == "web")
    assert [file.hashes for file in web.files] == [{"sha256": SHA}, {"sha256": OTHER}]
    assert foreign.dependencies[1] == "Core[fast]===2.0"


def test_other_files_constraints_and_variables(tmp_path: Path) -> None:
    write_file(tmp_path, "base.txt", "core\n")
    write_file(tmp_path, "more/limits.txt", "core==1.0\nunused==3.0\n")
    path = write_file(
        tmp_path,
        "requirements.txt",
        "-r base.txt\n--constraint=more/limits.txt\n-i https://${USER}:${TOKEN}@packages.example/simple\n"
        "--extra-index-url https://pypi.org/simple\nweb==${VERSION}\n",
    )
    foreign = read_file(path, VERSION="1.5", USER="me", TOKEN="secret")
    assert versions(foreign) == {"core": "1.0", "web": "1.5"}
    assert foreign.constraints == ("core==1.0", "unused==3.0")
    assert [(index.url, index.default) for index in foreign.indexes] == [
        ("https://packages.example/simple", True)
    ]
    assert "secret" not in str(foreign)
    assert len(foreign.files) == 3


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le-bom"])
def test_encodings_with_a_mark(tmp_path: Path, encoding: str) -> None:
    text = "web==1.0\r\ncore==2.0\r\n"
    data = (
        b"\xff\xfe" + text.encode("utf-16-le")
        if encoding.endswith("bom")
        else text.encode(encoding)
    )
    foreign = read_file(write_file(tmp_path, "requirements.txt", data))
    assert versions(foreign) == {"core": "2.0", "web": "1.0"}


def test_an_encoding_that_is_declared(tmp_path: Path) -> None:
    data = "# -*- coding: latin-1 -*-\nweb==1.0 # größer\n".encode("latin-1")
    assert versions(read_file(write_file(tmp_path, "requirements.txt", data))) == {"web": "1.0"}
    with pytest.raises(InputError, match="is not utf-8"):
        read_file(write_file(tmp_path, "requirements.txt", "web # größer\n".encode("latin-1")))


COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("line", "name", "table", "pinned"),
    [
        (
            f"git+https://git.example/web.git@{COMMIT}#egg=web",
            "web",
            {"git": "https://git.example/web.git", "rev": COMMIT},
            True,
        ),
        (
            "web @ git+ssh://git@git.example/web.git@main",
            "web",
            {"git": "ssh://git@git.example/web.git", "rev": "main"},
            False,
        ),
        ("-e ./lib", "lib", {"path": "lib", "editable": True}, True),
        ("--editable=lib", "lib", {"path": "lib", "editable": True}, True),
        (
            f"https://files.example/web-1.0-py3-none-any.whl#sha256={SHA}",
            "web",
            {"url": "https://files.example/web-1.0-py3-none-any.whl"},
            True,
        ),
        (
            "wheels/web-1.0-py3-none-any.whl",
            "web",
            {"path": "wheels/web-1.0-py3-none-any.whl"},
            False,
        ),
    ],
)
def test_places(
    tmp_path: Path, line: str, name: str, table: dict[str, object], pinned: bool
) -> None:
    write_file(tmp_path, "lib/pyproject.toml", '[project]\nname = "Lib"\n')
    foreign = read_file(write_file(tmp_path, "requirements.txt", line + "\n"))
    assert foreign.sources == {name: table}
    assert foreign.dependencies == (name,)
    assert bool(foreign.pins) == pinned
    assert bool(foreign.unpinned) == (not pinned)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("-r nowhere.txt\n", "requirements.txt:1: nowhere.txt is named here"),
        ("-r requirements.txt\n", "files name each other"),
        ("web==1.0\n\nnot a requirement at all\n", "requirements.txt:3"),
        ("--index-url\n", "requirements.txt:1"),
        ("a\0b", "not a requirements file"),
        ("[package]\n", "not a requirements file"),
    ],
)
def test_what_is_none(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_file(write_file(tmp_path, "requirements.txt", text))


def test_options_that_are_not_carried_over_are_named(tmp_path: Path) -> None:
    text = "--find-links ./wheels\n--no-binary :all:\n--pre\n--trusted-host x.example\nweb\n"
    foreign = read_file(write_file(tmp_path, "requirements.txt", text))
    assert [item.what.split()[0] for item in foreign.left] == [
        "--find-links", "--no-binary", "--pre", "--trusted-host",
    ]  # fmt: skip
    assert foreign.left[0].file == "requirements.txt:1"


def test_no_password_gets_out_of_an_address(tmp_path: Path) -> None:
    text = (
        "git+https://${TOKEN}:x-oauth@git.example/web.git@main#egg=web\n"
        "core @ https://me:${TOKEN}@files.example/core-1.0-py3-none-any.whl\n"
        "--find-links https://me:${TOKEN}@files.example/\n"
    )
    foreign = read_file(write_file(tmp_path, "requirements.txt", text), TOKEN="secret")
    assert "secret" not in str(foreign)
    assert foreign.sources["web"] == {"git": "https://git.example/web.git", "rev": "main"}
    assert len(foreign.left) == 3
    path = write_file(tmp_path, "wrong.txt", "what https://me:${TOKEN}@files.example/\n")
    with pytest.raises(InputError) as caught:
        read_file(path, TOKEN="secret")
    assert "secret" not in caught.value.message
