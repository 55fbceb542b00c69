from __future__ import annotations

from pathlib import Path

from provenv.core import digest

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_bytes_and_files_give_the_published_digests(tmp_path: Path) -> None:
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    assert digest.of_bytes(b"") == EMPTY
    assert digest.of_file(path).startswith("ba7816bf8f01cfea")


def test_json_has_one_spelling() -> None:
    assert digest.of_json({"b": 1, "a": ["é"]}) == digest.of_json({"a": ["é"], "b": 1})
    assert digest.of_json({"a": 1}) != digest.of_json({"a": 2})


def test_the_spelling_of_record_goes_both_ways() -> None:
    short = digest.hex_to_urlsafe(EMPTY)
    assert short == "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"
    assert digest.urlsafe_to_hex(short) == EMPTY
