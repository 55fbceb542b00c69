"""The targets themselves, without a fuzzer: their seeds pass, and a broken promise is noticed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from fuzz import targets
from fuzz.seeds import SEEDS, TOKENS, dictionary
from provenv.model.layout import HomeLayout
from provenv.store.ingest import ingest
from provenv.store.record import Row


@pytest.mark.parametrize("target", targets.TARGETS)
def test_the_seeds_pass(target: str) -> None:
    assert SEEDS[target]()
    for seed in SEEDS[target]():
        targets.TARGETS[target](seed)


def test_what_is_written_for_the_fuzzer_is_a_wheel(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(data := targets.written(SEEDS["wheel"]()[0][1:]))
    obj = ingest(
        HomeLayout(str(tmp_path / "home")),
        str(tmp_path / "file"),
        filename=targets.WHEEL,
        sha256=hashlib.sha256(data).hexdigest(),
        size=None,
    )
    assert Path(obj.folder, "site/demo/__init__.py").read_text() == "x = 1\n"


def test_a_reader_that_says_something_else_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = iter([{"a": Row("sha256", bytes(32), 1)}, {}])
    monkeypatch.setattr(targets, "parse_record", lambda *_: next(calls))
    with pytest.raises(AssertionError):
        targets.record(b"")


def test_a_dictionary_can_be_read_by_the_fuzzer() -> None:
    assert set(TOKENS) == set(targets.TARGETS) == set(SEEDS)
    assert dictionary("record").splitlines()[0] == r'"\x73\x68\x61\x32\x35\x36\x3d"'
