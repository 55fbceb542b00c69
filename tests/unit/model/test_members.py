"""What one project of a workspace sees of the others."""

from __future__ import annotations

import pytest

from provenv.core.errors import InputError, UnsatisfiableError
from provenv.core.values import replace
from provenv.model.manifest import Manifest
from provenv.model.members import check_versions, is_pattern, metadata_of, with_members

MEMBERS = {
    "models": Manifest(
        file="/w/libs/models/pyproject.toml", name="Models", version="1.5", dependencies=("base>=1",),
        optional_dependencies={"pg": ("pg-base ; sys_platform == 'linux'",)},
    ),
    "base": Manifest(file="/w/libs/base/pyproject.toml", name="base", version="1.0"),
    "pg-base": Manifest(file="/w/libs/pg/pyproject.toml", name="pg.base"),
    "orders": Manifest(file="/w/orders/pyproject.toml", name="orders", dependencies=("models",)),
}  # fmt: skip
PATHS = {"models": "../libs/models", "base": "../libs/base", "pg-base": "../libs/pg", "orders": "."}


def complete(manifest: Manifest, members: dict[str, Manifest] | None = None) -> Manifest:
    known = members or MEMBERS
    return with_members(manifest, {n: PATHS[n] for n in known}, known.__getitem__)


def orders(**more: object) -> Manifest:
    return replace(MEMBERS["orders"], **more)


def test_what_is_reached_gets_a_source_and_nothing_else_does() -> None:
    made = complete(orders())
    assert list(made.members) == ["base", "models", "pg-base"]
    assert made.sources == {
        name: {"path": PATHS[name], "editable": True} for name in ("base", "models", "pg-base")
    }
    assert complete(MEMBERS["base"]).members == {}
    assert complete(orders(dependencies=(), groups={"dev": ("base",)})).members.keys() == {"base"}


def test_nobody_is_read_who_is_not_reached() -> None:
    def read(name: str) -> Manifest:
        raise InputError(f"{name} cannot be read")

    assert with_members(MEMBERS["base"], PATHS, read) == MEMBERS["base"]


def test_a_project_is_no_member_of_itself() -> None:
    circle = {**MEMBERS, "base": replace(MEMBERS["base"], dependencies=("orders",))}
    assert "orders" not in complete(orders(), circle).members


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ({"workspace": True}, {"path": "../libs/models", "editable": True}),
        ({"workspace": True, "editable": False}, {"path": "../libs/models", "editable": False}),
        ({"path": "../libs/./models/"}, {"path": "../libs/./models/", "editable": True}),
        ([{"workspace": True}], [{"path": "../libs/models", "editable": True}]),
    ],
)  # fmt: skip
def test_a_source_that_names_the_member(source: object, wanted: object) -> None:
    made = complete(orders(sources={"Models": source}))
    assert made.sources["Models"] == wanted
    assert set(made.members) == {"base", "models", "pg-base"}


@pytest.mark.parametrize("source", [{"git": "https://x/y"}, {"index": "x"}, {"path": "../other"}])
def test_another_source_leads_elsewhere(source: object) -> None:
    made = complete(orders(sources={"models": source}))
    assert made.members == {}
    assert made.sources == {"models": source}


def test_the_locks_digest_follows_what_reached_members_declare() -> None:
    before = complete(orders()).lock_digest()
    other = {**MEMBERS, "base": replace(MEMBERS["base"], dependencies=("six",))}
    assert complete(orders(), other).lock_digest() != before
    newer = {**MEMBERS, "base": replace(MEMBERS["base"], version="1.1")}
    assert complete(orders(), newer).lock_digest() != before
    moved = {**MEMBERS, "base": replace(MEMBERS["base"], file="/elsewhere/pyproject.toml")}
    assert complete(orders(), moved).lock_digest() == before, "another checkout has the same lock"
    alone = replace(MEMBERS["base"])
    assert complete(alone).lock_digest() == alone.lock_digest()


def test_versions_that_do_not_go_together_name_both_sides() -> None:
    check_versions(complete(orders()))
    with pytest.raises(UnsatisfiableError) as caught:
        check_versions(complete(orders(groups={"dev": ("models<1.5",)})))
    said = caught.value.message
    assert "/w/orders/pyproject.toml: dependency-groups.dev: asks for models<1.5" in said
    assert "/w/libs/models/pyproject.toml, is version 1.5" in said
    pinned = {**MEMBERS, "models": replace(MEMBERS["models"], dependencies=("base==2",))}
    with pytest.raises(UnsatisfiableError, match=r"/w/libs/models/pyproject.toml: project.depend"):
        check_versions(complete(orders(), pinned))
    early = {**MEMBERS, "models": replace(MEMBERS["models"], version="2.0.dev1")}
    check_versions(complete(orders(dependencies=("models>=1.9",)), early))


def test_uv_reads_a_member_by_itself_where_it_can() -> None:
    assert [metadata_of(m) for m in complete(orders()).members.values()] == [None, None, None]


def test_what_uv_could_not_read_is_told() -> None:
    sources = {
        "base": {"workspace": True},
        "pg-base": {"git": "https://x/pg", "tag": "v1", "subdirectory": "a"},
        "near": {"path": "../near"},
    }
    changed = replace(
        MEMBERS["models"],
        dependencies=("base>=1", "near", "six[x]>1 ; python_version > '3'"),
        sources=sources,
    )
    made = complete(orders(), {**MEMBERS, "models": changed})
    pg = "pg-base @ git+https://x/pg@v1#subdirectory=a"
    assert metadata_of(made.members["models"]) == {
        "name": "models",
        "version": "1.5",
        "requires-dist": [
            "base>=1",
            "near @ file:///w/libs/near",
            'six[x]>1 ; python_version > "3"',
            f"{pg} ; (sys_platform == \"linux\") and extra == 'pg'",
        ],
        "provides-extra": ["pg"],
    }
    several = replace(changed, sources={**sources, "near": [{"path": "a"}, {"path": "b"}]})
    with pytest.raises(InputError, match=r"tool.uv.sources.near"):
        metadata_of(complete(orders(), {**MEMBERS, "models": several}).members["models"])


def test_patterns() -> None:
    assert is_pattern("libs/*")
    assert is_pattern("libs/[ab]")
    assert not is_pattern("libs/base")
