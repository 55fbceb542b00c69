"""``build`` and ``publish``: by uv, with the project's own indexes and credentials."""

from __future__ import annotations

import base64
import email.parser
import email.policy
import hashlib
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from support import Index, Project, make_source, make_wheel

SECRET = "hunter2-secret"  # what must not be seen anywhere


def lay_out(project: Project, *, more: str = "", **options: Any) -> None:
    make_source(project.folder, "shop-tools", "1.2", requires_python=">=3.11", more=more, **options)


class Uploads(BaseHTTPRequestHandler):
    """Takes uploads in the form of PyPI's legacy API; wants ``anna`` and the secret."""

    taken: list[dict[str, bytes]]

    def do_POST(self) -> None:  # http.server's name
        body = self.rfile.read(int(self.headers["Content-Length"]))
        wanted = base64.b64encode(f"anna:{SECRET}".encode()).decode()
        if self.headers.get("Authorization") != f"Basic {wanted}":
            self.send_error(403, "Invalid credentials")
            return
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
        form: dict[str, bytes] = {}
        for part in message.iter_parts():
            name = part.get_param("name", header="Content-Disposition")
            form[str(name)] = bytes(part.get_payload(decode=True) or b"")
        self.taken.append(form)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def uploads() -> Iterator[tuple[str, list[dict[str, bytes]]]]:
    """The address of an upload server, and the forms that it took."""
    taken: list[dict[str, bytes]] = []
    handler = type("Handler", (Uploads,), {"taken": taken})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/legacy/", taken
        finally:
            server.shutdown()


def test_both_are_built_and_hold_the_project(project: Project) -> None:
    lay_out(project)
    result = project.ok("build", "--json").json
    names = [Path(path).name for path in result["files"]]
    assert names == ["shop_tools-1.2-py3-none-any.whl", "shop_tools-1.2.tar.gz"]
    with zipfile.ZipFile(result["files"][0]) as wheel:
        assert any(name.endswith("shop_tools/__init__.py") for name in wheel.namelist())
    assert sorted(path.name for path in (project.folder / "dist").iterdir()) == names


def test_one_of_them_elsewhere(project: Project, tmp_path: Path) -> None:
    lay_out(project)
    project.ok("build", "--wheel", "-o", str(tmp_path / "out"))
    assert [path.suffix for path in (tmp_path / "out").iterdir()] == [".whl"]
    assert not (project.folder / "dist").exists()


def test_the_build_takes_what_it_needs_from_the_projects_index(
    project: Project, index: Index, tmp_path: Path
) -> None:
    index.add(make_wheel(tmp_path, "helper", "1.0", files={"helper.py": "X = 1\n"}))
    lay_out(project, build_requires=["helper"], uses="helper")
    project.ok("build", "--wheel")
    assert any("helper" in request.path for request in index.requests)


def test_a_failed_build_writes_nothing(project: Project) -> None:
    lay_out(project, fail="the backend says no")
    result = project.fails(3, "build")
    assert "the backend says no" in result.stderr
    assert not (project.folder / "dist").exists()


def test_nothing_to_build(project: Project) -> None:
    project.depends()
    assert "no [build-system]" in project.fails(2, "build").stderr


def company(url: str, index: Index) -> str:
    return (
        f'\n[[tool.provenv.index]]\nname = "company"\nurl = "{index.url}"\npublish-url = "{url}"\n'
    )


def test_an_upload_holds_name_version_digest_and_login(
    project: Project, index: Index, uploads: tuple[str, list[dict[str, bytes]]]
) -> None:
    url, taken = uploads
    lay_out(project, more=company(url, index))
    files = project.ok("build", "--wheel", "--json").json["files"]
    project.env |= {
        "PROVENV_INDEX_COMPANY_USERNAME": "anna",
        "PROVENV_INDEX_COMPANY_PASSWORD": SECRET,
    }
    result = project.ok("publish", "--index", "company", "--yes", "-v")
    assert SECRET not in result.stdout + result.stderr
    assert {form["name"] for form in taken} == {b"shop-tools"}
    assert {form["version"] for form in taken} == {b"1.2"}
    digests = {hashlib.sha256(Path(path).read_bytes()).hexdigest().encode() for path in files}
    assert {form["sha256_digest"] for form in taken} == digests


def test_a_refused_login_is_said_without_the_password(
    project: Project, index: Index, uploads: tuple[str, list[dict[str, bytes]]]
) -> None:
    url, taken = uploads
    lay_out(project, more=company(url, index))
    project.ok("build")
    project.env |= {
        "PROVENV_INDEX_COMPANY_USERNAME": "anna",
        "PROVENV_INDEX_COMPANY_PASSWORD": "wrong-" + SECRET,
    }
    result = project.fails(3, "publish", "--index", "company", "--yes")
    assert "403" in result.stderr
    assert SECRET not in result.stderr
    assert not taken


def test_what_cannot_be_published(project: Project, index: Index, tmp_path: Path) -> None:
    lay_out(project, more=company("http://127.0.0.1:9/", index))
    assert "provenv build" in project.fails(2, "publish", "--index", "company", "--yes").stderr
    assert "company" in project.fails(2, "publish", "--index", "other", "--yes").stderr
    odd = tmp_path / "notes.txt"
    odd.write_text("")
    assert "neither a wheel nor an sdist" in project.fails(2, "publish", str(odd), "--yes").stderr
    assert "Nobody is here to ask" in project.fails(2, "publish").stderr


def test_an_index_without_a_place_for_uploads(project: Project, index: Index) -> None:
    more = f'\n[[tool.provenv.index]]\nname = "company"\nurl = "{index.url}"\n'
    lay_out(project, more=more)
    assert "publish-url" in project.fails(2, "publish", "--index", "company", "--yes").stderr


def test_no_login_in_a_publish_url(project: Project, index: Index) -> None:
    lay_out(project, more=company("https://anna:pw@example.org/", index))
    result = project.fails(2, "publish", "--index", "company", "--yes")
    assert "must not hold credentials" in result.stderr
