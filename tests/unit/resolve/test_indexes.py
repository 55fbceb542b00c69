from __future__ import annotations

from collections.abc import Callable

import pytest

from provenv.core.errors import NetworkError
from provenv.core.http import Credentials
from provenv.core.values import replace
from unit.resolve.little_index import LittleIndex
from unit.resolve.locking import Project, versions

HEAD = '[project]\nname = "demo"\nversion = "1"\nrequires-python = ">=3.11,<4"\n'
MakeIndex = Callable[[], LittleIndex]


@pytest.fixture
def corp(make_index: MakeIndex) -> LittleIndex:
    return make_index()


def pinned(corp: LittleIndex, dependency: str = "secret") -> str:
    return (
        HEAD
        + f'dependencies = ["{dependency}"]\n[[tool.provenv.index]]\nname = "corp-1"\n'
        + f'url = "{corp.simple}"\nexplicit = true\npackages = ["secret"]\n'
    )


def test_a_pinned_package_comes_from_its_index(
    project: Project, index: LittleIndex, corp: LittleIndex
) -> None:
    index.add("secret", "9.9")
    corp.add("secret", "1.0")
    (package,) = project.lock(pinned(corp)).packages
    assert (str(package.version), package.index) == ("1.0", corp.simple)


def test_a_pin_holds_where_another_package_needs_the_pinned_one(
    project: Project, index: LittleIndex, corp: LittleIndex
) -> None:
    index.add("secret", "9.9")
    index.add("public", "1.0", ["secret"])
    corp.add("secret", "1.0")
    lock = project.lock(pinned(corp, "public"))
    assert versions(lock) == {"public": "1.0", "secret": "1.0"}
    assert not [path for _, path in index.asked if "secret" in path]


def test_a_pin_that_nothing_needs_is_not_resolved(
    project: Project, index: LittleIndex, corp: LittleIndex
) -> None:
    index.add("public", "1.0")
    corp.status["secret"] = 500
    assert versions(project.lock(pinned(corp, "public"))) == {"public": "1.0"}


@pytest.mark.parametrize("dependency", ["secret", "public"])
@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusing_index_is_an_error_and_not_a_reason_to_look_elsewhere(
    project: Project, index: LittleIndex, corp: LittleIndex, status: int, dependency: str
) -> None:
    index.add("secret", "9.9")
    index.add("public", "1.0", ["secret"])
    corp.status["secret"] = status
    with pytest.raises(NetworkError) as caught:
        project.lock(pinned(corp, dependency))
    error = caught.value
    assert f"secret must come from index 'corp-1' ({corp.simple})" in error.message
    assert f"HTTP status {status}" in error.message
    assert "PROVENV_INDEX_CORP_1_USERNAME" in str(error.hint)
    assert (error.details["status"], error.details["index"]) == (status, "corp-1")


def test_credentials_by_name_of_index_are_used_and_never_shown(
    project: Project, corp: LittleIndex
) -> None:
    corp.login = ("me", "s3cr3t")
    corp.add("secret", "1.0")
    with pytest.raises(NetworkError, match="HTTP status 401") as caught:
        project.lock(pinned(corp))
    assert "netrc or a keyring" in str(caught.value.hint)
    known = replace(
        project.settings, credentials={"corp-1": Credentials(username="me", password="s3cr3t")}
    )
    assert versions(project.lock(pinned(corp), settings=known)) == {"secret": "1.0"}
    wrong = replace(
        project.settings, credentials={"corp-1": Credentials(username="me", password="wr0ng")}
    )
    with pytest.raises(NetworkError) as caught:
        project.lock(pinned(corp), settings=wrong)
    assert "were refused" in str(caught.value.hint)
    assert "wr0ng" not in f"{caught.value.message}{caught.value.hint}{caught.value.details}"


def test_an_index_that_wants_credentials_is_named_without_a_pin_too(
    project: Project, corp: LittleIndex
) -> None:
    corp.login = ("me", "s3cr3t")
    corp.add("secret", "1.0")
    text = (
        pinned(corp)
        .replace("explicit = true", "default = true")
        .replace('packages = ["secret"]', "")
    )
    with pytest.raises(NetworkError, match="index 'corp-1'") as caught:
        project.lock(text, settings=replace(project.settings, index_url=None))
    assert "PROVENV_INDEX_CORP_1_PASSWORD" in str(caught.value.hint)


def test_credentials_in_the_address_given_for_this_run_are_not_in_the_lock(
    project: Project, index: LittleIndex
) -> None:
    index.login = ("me", "s3cr3t")
    index.add("beta", "1.0")
    url = index.simple.replace("://", "://me:s3cr3t@")
    (package,) = project.lock(
        HEAD + 'dependencies = ["beta"]\n', settings=replace(project.settings, index_url=url)
    ).packages
    assert package.index == index.simple


def test_uv_indexes_and_sources_are_honoured(
    project: Project, index: LittleIndex, corp: LittleIndex
) -> None:
    index.add("secret", "9.9")
    index.add("beta", "1.0")
    corp.add("secret", "1.0")
    text = (
        HEAD
        + 'dependencies = ["secret", "beta"]\n[[tool.uv.index]]\nname = "internal"\n'
        + f'url = "{corp.simple}"\nexplicit = true\n'
        + '[tool.uv.sources]\nSecret = { index = "internal" }\n'
    )
    lock = project.lock(text)
    assert {p.name: p.index for p in lock.packages} == {
        "beta": index.simple,
        "secret": corp.simple,
    }
    with_constraint = text.replace(
        "[tool.uv.sources]", '[tool.uv]\nconstraint-dependencies = ["secret<1"]\n[tool.uv.sources]'
    )
    corp.add("secret", "0.5")
    assert versions(project.lock(with_constraint))["secret"] == "0.5"


def test_a_declared_default_index_replaces_pypi_and_the_run_replaces_it(
    project: Project, index: LittleIndex, corp: LittleIndex
) -> None:
    index.add("beta", "2.0")
    corp.add("beta", "1.0")
    text = (
        HEAD
        + 'dependencies = ["beta"]\n[[tool.provenv.index]]\nname = "mirror"\n'
        + f'url = "{corp.simple}"\ndefault = true\n'
    )
    declared = project.lock(text, settings=replace(project.settings, index_url=None))
    assert versions(declared) == {"beta": "1.0"}
    assert versions(project.lock(text)) == {"beta": "2.0"}


def test_a_pinned_package_is_locked_again_to_the_same_bytes(
    project: Project, corp: LittleIndex
) -> None:
    corp.add("secret", "1.0")
    first = project.lock(pinned(corp))
    corp.add("secret", "2.0")
    assert project.text(pinned(corp), first) == project.text(pinned(corp), first)
    assert versions(project.lock(pinned(corp), first)) == {"secret": "1.0"}
