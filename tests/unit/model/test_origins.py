from __future__ import annotations

from typing import Any

import pytest
from packaging.pylock import Pylock

from provenv.core.errors import InputError
from provenv.model.manifest import parse_manifest
from provenv.model.origins import Origins, origins_of, strays

PYPI = "https://pypi.org/simple"
NAME = "a-1-py3-none-any.whl"


def lock(name: str = "a", **entry: Any) -> Pylock:
    """A lock of one package; ``entry`` is its source."""
    package = {"name": name, "version": "1", **entry}
    data = {"lock-version": "1.0", "created-by": "x", "packages": [package]}
    return Pylock.from_dict(data)


def wheel(url: str) -> Pylock:
    return lock(wheels=[{"url": url, "name": NAME, "hashes": {"sha256": "0" * 64}}])


def origins(manifest_text: str = "", **options: Any) -> Origins:
    manifest = parse_manifest('[project]\nname = "shop"\nversion = "1"\n' + manifest_text)
    return origins_of(
        manifest,
        **{"indexes": {}, "more": [PYPI], "pins": {}, "folders": ["/work/shop"], **options},
    )


def allowed(made: Pylock, by: Origins, folder: str = "/work/shop") -> bool:
    return not list(strays(made, by, folder))


@pytest.mark.parametrize(
    ("index", "url", "answer"),
    [
        (PYPI, f"https://files.pythonhosted.org/packages/x/{NAME}", True),
        (PYPI, f"https://FILES.pythonhosted.org:443/packages/x/{NAME}", True),
        (PYPI, f"https://pypi.org/simple/a/{NAME}", True),
        (PYPI, f"http://files.pythonhosted.org/packages/x/{NAME}", False),
        (PYPI, f"https://files.pythonhosted.org:8443/packages/x/{NAME}", False),
        (PYPI, f"https://files.pythonhosted.org.example/x/{NAME}", False),
        (PYPI, f"https://files.pythonhosted.org@evil.example/x/{NAME}", False),
        (PYPI, f"https://evil.example/files.pythonhosted.org/{NAME}", False),
        (PYPI, f"https://files.pythonhosted.org\\@evil.example/{NAME}", False),
        (PYPI, f"https://files.pythonhosted.org /{NAME}", False),
        (PYPI, f"//files.pythonhosted.org/{NAME}", False),
        (
            "https://download.pytorch.org/whl/cpu",
            f"https://download-r2.pytorch.org/whl/{NAME}",
            True,
        ),
        ("https://pypi.company.example/simple", f"https://pypi.company.example/f/{NAME}", True),
        ("https://pypi.company.example/simple", f"https://files.pythonhosted.org/{NAME}", False),
        ("http://old.example/simple", f"https://old.example/{NAME}", True),
        ("https://u:p@pypi.company.example/simple", f"https://pypi.company.example/{NAME}", True),
    ],
)
def test_an_index_leads_to_its_own_server_and_to_where_it_is_known_to_have_files(
    index: str, url: str, answer: bool
) -> None:
    assert allowed(wheel(url), origins(more=[index])) is answer


def test_each_file_is_looked_at_and_not_the_first_of_a_package() -> None:
    files = [
        "https://files.pythonhosted.org/x/a-1-py2-none-any.whl",
        f"https://evil.example/{NAME}",
    ]
    rows = [{"url": url, "hashes": {"sha256": "0" * 64}} for url in files]
    sdist = {"url": "https://evil.example/a-1.tar.gz", "hashes": {"sha256": "0" * 64}}
    found = list(strays(lock(wheels=rows, sdist=sdist), origins(), "/"))
    assert [stray.address.rpartition("/")[2] for stray in found] == [NAME, "a-1.tar.gz"]
    assert {stray.allow for stray in found} == {"https://evil.example/"}


def test_a_pinned_package_comes_from_its_index_alone() -> None:
    indexes = {"company": "https://pypi.company.example/simple"}
    by = origins(indexes=indexes, pins={"a": "company"})
    assert allowed(wheel(f"https://pypi.company.example/{NAME}"), by)
    assert not allowed(wheel(f"https://files.pythonhosted.org/{NAME}"), by)
    other = wheel(f"https://files.pythonhosted.org/{NAME}")
    renamed = lock("b", wheels=[{"url": "https://files.pythonhosted.org/b-1-py3-none-any.whl",
                                 "hashes": {"sha256": "0" * 64}}])  # fmt: skip
    assert allowed(renamed, by)
    assert not allowed(other, by)


@pytest.mark.parametrize(
    ("granted", "url", "answer"),
    [
        ("cdn.example", f"https://cdn.example/x/{NAME}", True),
        ("cdn.example", f"http://cdn.example/x/{NAME}", False),
        ("cdn.example:8443", f"https://cdn.example:8443/x/{NAME}", True),
        ("http://cdn.example", f"http://cdn.example/x/{NAME}", True),
        ("https://cdn.example/ours", f"https://cdn.example/ours/{NAME}", True),
        ("https://cdn.example/ours", f"https://cdn.example/ours-not/{NAME}", False),
        ("https://cdn.example/ours", f"https://cdn.example/ours/../x/{NAME}", False),
        ("https://cdn.example/ours", f"https://cdn.example/ours/%2e%2E/x/{NAME}", False),
        ("file:///srv/wheels", f"file:///srv/wheels/{NAME}", True),
        ("file:///srv/wheels", f"file:///srv/wheels/../x/{NAME}", False),
        ("file:///srv/wheels", f"file:///srv/wheels/%2e%2e/x/{NAME}", False),
        ("file:///srv/wheels", f"file:///srv/wheels-not/{NAME}", False),
    ],
)
def test_what_origins_grants(granted: str, url: str, answer: bool) -> None:
    assert allowed(wheel(url), origins(f'[tool.provenv]\norigins = ["{granted}"]\n')) is answer


@pytest.mark.parametrize(
    "wrong",
    ["", "*", "*.example", "https://", "https://u:p@h/", "h/../x?", "file:wheels", "file:///a/../b",
     "a b", "https://h:99999/", "http://[::1"],
)  # fmt: skip
def test_what_is_no_origin_is_named(wrong: str) -> None:
    with pytest.raises(InputError, match=r"tool\.provenv\.origins: item 0.*is not a host"):
        origins(f'[tool.provenv]\norigins = ["{wrong}"]\n')


def test_an_address_in_the_manifest_leads_to_that_file_and_to_no_other() -> None:
    by = origins(
        f'[project.optional-dependencies]\nx = ["a @ https://h.example/d/{NAME}"]\n'
        '[dependency-groups]\ndev = ["c @ git+https://git.example/o/c.git@v1#subdirectory=x"]\n'
        '[tool.uv.sources]\nd = { git = "ssh://git@git.example/o/d" }\n'
        f'e = [{{ url = "https://h.example/e.zip?file=1", marker = "sys_platform == \'linux\'" }}]\n'
    )

    def archive(url: str) -> Pylock:
        return lock(archive={"url": url, "hashes": {"sha256": "0" * 64}})

    def vcs(url: str) -> Pylock:
        return lock(vcs={"type": "git", "url": url, "commit-id": "0" * 40})

    assert allowed(archive(f"https://h.example/d/{NAME}"), by)
    assert not allowed(archive(f"https://h.example/other/{NAME}"), by)
    assert allowed(archive("https://h.example/e.zip?file=1"), by)
    assert not allowed(archive("https://h.example/e.zip?file=2"), by)
    assert allowed(vcs("https://git.example/o/c"), by)
    assert allowed(vcs("ssh://git@git.example/o/d.git"), by)
    for url in ("https://git.example/o/evil", "https://git.example/evil/c", "ssh://git@x/o/d"):
        assert not allowed(vcs(url), by), url


def test_a_file_on_this_machine_lies_below_the_project_or_what_the_manifest_names() -> None:
    def at(path: str) -> Pylock:
        return lock(wheels=[{"path": path, "name": NAME, "hashes": {"sha256": "0" * 64}}])

    by = origins('[tool.uv]\nfind-links = ["../shelf"]\n', more=[PYPI, "/srv/index"])
    assert allowed(at(f"vendor/a b\\c/{NAME}"), by)
    assert allowed(at(f"../shelf/{NAME}"), by)
    assert allowed(at(f"/srv/index/a/{NAME}"), by)
    assert not allowed(at(f"../{NAME}"), by)
    assert not allowed(at(f"vendor/../../{NAME}"), by)
    assert not allowed(at(f"/tmp/{NAME}"), by)
