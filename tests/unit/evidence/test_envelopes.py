"""Keys, envelopes and statements, as others define them."""

from __future__ import annotations

import base64
import errno
import json
import os
import subprocess
from datetime import date
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from provenv.core.errors import DiskError, ForeignError, InputError
from provenv.evidence import envelopes, keys, records, statements
from provenv.evidence.records import End, Entry


def test_a_key_that_cannot_be_written_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(DiskError, match=r"release\.key.*ENOSPC"):
            keys.create(str(tmp_path), "release")
    assert list(tmp_path.iterdir()) == []
    keys.create(str(tmp_path), "release")


def test_what_is_signed_is_what_dsse_says() -> None:
    # the example in DSSE's protocol.md
    said = envelopes.encoding("http://example.com/HelloWorld", b"hello world")
    assert said == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert envelopes.encoding("é", "ü".encode()) == "DSSEv1 2 é 2 ü".encode()


def test_a_signature_holds_by_another_s_eyes(tmp_path: Path) -> None:
    key = keys.create(str(tmp_path), "release")
    made = json.loads(envelopes.seal("text/plain", b"hello", [key]).as_text())
    sig = base64.b64decode(made["signatures"][0]["sig"])
    raw = base64.b64decode(key.public.text.removeprefix("ed25519:"))
    Ed25519PublicKey.from_public_bytes(raw).verify(sig, b"DSSEv1 10 text/plain 5 hello")
    (tmp_path / "sig").write_bytes(sig)
    (tmp_path / "data").write_bytes(b"DSSEv1 10 text/plain 5 hello")
    words = ["pkeyutl", "-verify", "-pubin", "-inkey", "release.pub", "-rawin", "-in", "data"]
    try:
        done = subprocess.run(
            ["openssl", *words, "-sigfile", "sig"], cwd=tmp_path, capture_output=True, text=True
        )
    except FileNotFoundError:
        pytest.skip("there is no openssl program")
    assert done.returncode == 0, done.stderr


def test_a_private_key_is_only_its_owner_s(tmp_path: Path) -> None:
    tmp_path /= "keys"
    made = keys.create(str(tmp_path), "release")
    assert tmp_path.stat().st_mode & 0o777 == 0o700
    path = tmp_path / "release.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert keys.read_private(str(path)).public == made.public
    assert keys.read_public(str(tmp_path / "release.pub")) == made.public
    assert keys.parse_public(made.public.text, "release") == made.public
    with pytest.raises(ForeignError, match="is there already"):
        keys.create(str(tmp_path), "release")
    path.chmod(0o640)
    with pytest.raises(InputError, match="others may read this private key"):
        keys.read_private(str(path))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "neither `ed25519:…` nor PEM"),
        ("ed25519:AAAA", "it has 3 bytes"),
        ("ed25519:ä", "it is no text"),
        ("ed25519:$$$", "it is not base64"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "of another kind"),
    ],
)
def test_what_is_no_key_is_refused(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "x.pub"
    path.write_text(text)
    with pytest.raises(InputError, match=why):
        keys.read_public(str(path))
    path.chmod(0o600)
    with pytest.raises(InputError, match="is no private key"):
        keys.read_private(str(path))


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"payloadType": 1}', "[" * 100_000,
     '{"payloadType": "a", "payload": "é", "signatures": []}',
     '{"payloadType": "a", "payload": "", "signatures": [{"sig": null}]}',
     '{"payloadType": "a", "payload": "", "signatures": {}}'],
    ids=range(8),
)  # fmt: skip
def test_what_is_no_envelope_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"it is|its "):
        envelopes.parse(text)


def test_several_sign_and_each_counts(tmp_path: Path) -> None:
    a, b, c = (keys.create(str(tmp_path), name) for name in "abc")
    made = envelopes.parse(envelopes.seal("t", b"x", [a, b]).as_text())
    found = envelopes.signers(made, [a.public, c.public])
    assert (found.good, found.wrong, found.unknown) == ((a.public,), (), (b.public.id,))


def verdict(**more: object) -> records.Record:
    entry = Entry(
        kind="verdict",
        time="2026-11-22T10:00:00.000Z",
        subject={"project": "shop"},
        policy="p" * 64,
        advisories="a" * 64,
        locks={"pylock.toml": "1" * 64},
        details={"outcome": "inconclusive", "environments": ["prod"], **more},
    )
    return records.parse(records.make(entry, End())[0])


def test_what_is_inconclusive_has_not_passed() -> None:
    made = statements.summary(verdict(), version="1")
    assert made["predicate"]["verificationResult"] == "FAILED"
    assert made["predicate"]["verifiedLevels"] == ["FAILED"]
    made = statements.summary(verdict(outcome="pass"), version="1")
    assert made["predicate"]["verificationResult"] == "PASSED"
    assert made["subject"] == [{"name": "pylock.toml", "digest": {"sha256": "1" * 64}}]
    assert made["predicate"]["policy"]["digest"] == {"sha256": "p" * 64}


def test_a_record_is_spelt_in_one_way_only() -> None:
    odd = {"é\ud800": [1, None, True], "x": [2**60, float("nan"), date(2026, 1, 2)]}
    line, _ = records.make(Entry(kind="lock", time="t", details=odd), End())
    assert b'["1152921504606846976","nan","2026-01-02"]' in line
    assert records.canonical(json.loads(line)) == line
    assert "é?" in line.decode()
    with pytest.raises(ValueError, match="not spelt"):
        records.parse(line.replace(b":", b": ", 1))
    twice = line.replace(b'"kind":"lock"', b'"kind":"sync","kind":"lock"')
    with pytest.raises(ValueError, match="not spelt"):
        records.parse(twice)
    for old, new in ((b'"lock"', b'"love"'), (b'"schema":1', b'"schema":2'), (b'"t"', b"1")):
        with pytest.raises(ValueError, match=r"kind|type"):
            records.parse(line.replace(old, new))
