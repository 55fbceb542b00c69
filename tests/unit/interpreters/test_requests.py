from __future__ import annotations

import pytest

from provenv.core.errors import UsageError
from provenv.interpreters.discovery import folder_hint
from provenv.interpreters.requests import Hint, Request, absolute_request, parse_request


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3", {"release": (3,)}),
        ("3.12", {"release": (3, 12)}),
        ("3.12.1", {"release": (3, 12, 1)}),
        ("python3.12", {"release": (3, 12)}),
        ("py312", {"release": (3, 12)}),
        ("3.14.0rc2", {"release": (3, 14, 0), "pre": "rc2"}),
        ("cpython3.13", {"release": (3, 13), "implementation": "cpython"}),
        ("cpython-3.13", {"release": (3, 13), "implementation": "cpython"}),
        ("cpython3.13t", {"release": (3, 13), "implementation": "cpython", "free_threaded": True}),
        ("3.13t", {"release": (3, 13), "free_threaded": True}),
        ("pypy3.10", {"release": (3, 10), "implementation": "pypy"}),
        ("PyPy", {"implementation": "pypy"}),
        (">=3.11,<3.13", {"specifier": ">=3.11,<3.13"}),
        ("pypy>=3.9", {"implementation": "pypy", "specifier": ">=3.9"}),
        ("~=3.11", {"specifier": "~=3.11"}),
        ("/usr/bin/python3", {"path": "/usr/bin/python3"}),
    ],
)
def test_what_people_write_is_understood(text: str, expected: dict[str, object]) -> None:
    assert parse_request(text) == Request(text=text, **expected)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text", ["", "  ", "3.x", "snake3.1", "3.12.1.4", ">=three", "rc1", "-3.12-", "3.12 3.13"]
)
def test_what_is_not_a_request_is_refused_with_examples(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_request(text)
    assert caught.value.hint is not None
    assert "3.11" in caught.value.hint or "3.12" in caught.value.hint
    assert repr(text) in caught.value.message


@pytest.mark.parametrize("text", ["./env", "~/env", "env/bin/python"])
def test_relative_path_is_refused_because_the_library_has_no_working_directory(text: str) -> None:
    with pytest.raises(UsageError, match="must be absolute"):
        parse_request(text)


def test_relative_path_is_made_absolute_for_the_library_by_the_front() -> None:
    assert absolute_request("./env", "/work/project") == "/work/project/env"
    assert absolute_request("../python", "/work/project") == "/work/python"
    assert absolute_request("/env", "/work/project") == "/env"
    assert absolute_request("3.12", "/work/project") == "3.12"
    assert absolute_request(">=3.11,<3.13", "/work/project") == ">=3.11,<3.13"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("3.13.0", Hint(implementation="cpython", release=(3, 13, 0), free_threaded=False)),
        (
            "3.14.0rc2",
            Hint(implementation="cpython", release=(3, 14, 0), pre="rc2", free_threaded=False),
        ),
        (
            "3.14-dev",
            Hint(implementation="cpython", release=(3, 14), pre="dev", free_threaded=False),
        ),
        ("3.13.1t", Hint(implementation="cpython", release=(3, 13, 1), free_threaded=True)),
        ("pypy3.10-7.3.12", Hint(implementation="pypy", release=(3, 10), free_threaded=False)),
        (
            "cpython-3.13.1+freethreaded-linux-x86_64-gnu",
            Hint(implementation="cpython", release=(3, 13, 1), free_threaded=True),
        ),
        ("miniconda3-24.1.2-0", Hint()),
        ("my-environment", Hint()),
    ],
)
def test_folder_names_of_managers_promise(name: str, hint: Hint) -> None:
    assert folder_hint(name) == hint


@pytest.mark.parametrize(
    ("text", "folder", "possible"),
    [
        ("3.12", "3.12.1", True),
        ("3.12", "3.1.2", False),
        ("3.12.1", "3.12-dev", True),
        ("3.13t", "3.13.1", False),
        ("3.13t", "3.13.1t", True),
        ("cpython3.10", "pypy3.10-7.3.12", False),
        ("3.12", "miniconda3-24.1.2-0", True),
    ],
)
def test_a_name_rules_a_candidate_out_only_when_it_is_sure(
    text: str, folder: str, possible: bool
) -> None:
    assert parse_request(text).may_match(folder_hint(folder)) is possible
