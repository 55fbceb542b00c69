"""DSSE envelopes (Dead Simple Signing Envelope, v1.0.2): a payload, its type, and signatures over both.

    {"payloadType": …, "payload": BASE64, "signatures": [{"keyid": …, "sig": BASE64}]}

What is signed is the pre-authentication encoding: ``DSSEv1 LEN(type) type LEN(payload) payload``.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Collection, Sequence
from typing import Any

from provenv.core.values import frozen
from provenv.evidence.keys import PrivateKey, PublicKey

IN_TOTO = "application/vnd.in-toto+json"


@frozen
class Envelope:
    """A signed payload; ``signatures`` are pairs of the key's name and the signature."""

    kind: str
    payload: bytes
    signatures: tuple[tuple[str, bytes], ...]

    def as_json(self) -> dict[str, Any]:
        """As it is written."""
        return {
            "payloadType": self.kind,
            "payload": base64.b64encode(self.payload).decode(),
            "signatures": [
                {"keyid": name, "sig": base64.b64encode(signature).decode()}
                for name, signature in self.signatures
            ],
        }

    def as_text(self) -> str:
        """One line of JSON, with its end."""
        return json.dumps(self.as_json(), separators=(",", ":")) + "\n"


@frozen
class Signers:
    """Whose signatures an envelope has.

    Attributes:
        good: Keys whose signature holds. ``wrong``: Names of known keys whose signature does not.
        unknown: Names of keys that are not among those that were given.
    """

    good: tuple[PublicKey, ...]
    wrong: tuple[str, ...]
    unknown: tuple[str, ...]


def encoding(kind: str, payload: bytes) -> bytes:
    """The bytes that are signed (PAE)."""
    name = kind.encode()
    return b"DSSEv1 %d %s %d %s" % (len(name), name, len(payload), payload)


def seal(kind: str, payload: bytes, keys: Sequence[PrivateKey]) -> Envelope:
    """An envelope signed by each of the keys; unsigned where there are none."""
    data = encoding(kind, payload)
    return Envelope(
        kind=kind,
        payload=payload,
        signatures=tuple((key.public.id, key.sign(data)) for key in keys),
    )


def parse(text: str | bytes) -> Envelope:
    """An envelope from JSON.

    Raises:
        ValueError: It is none, with the reason.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError("it is not JSON") from error
    if not isinstance(data, dict) or not isinstance(data.get("payloadType"), str):
        raise ValueError("it is no DSSE envelope")
    rows = data.get("signatures")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError("its signatures are no list")
    return Envelope(
        kind=data["payloadType"],
        payload=_decoded(data.get("payload"), "payload"),
        signatures=tuple(
            (str(row.get("keyid", "")), _decoded(row.get("sig"), "sig")) for row in rows
        ),
    )


def signers(envelope: Envelope, keys: Collection[PublicKey]) -> Signers:
    """Check every signature with the keys that are known; the name of a key is a hint and no proof."""
    data = encoding(envelope.kind, envelope.payload)
    good: list[PublicKey] = []
    wrong: list[str] = []
    unknown: list[str] = []
    known = {key.id: key for key in keys}
    for name, signature in envelope.signatures:
        key = known.get(name)
        if key is None:
            key = next((one for one in keys if one.holds(signature, data)), None)
            if key is None:
                unknown.append(name)
                continue
        elif not key.holds(signature, data):
            wrong.append(name)
            continue
        good.append(key)
    return Signers(good=tuple(dict.fromkeys(good)), wrong=tuple(wrong), unknown=tuple(unknown))


def _decoded(value: object, what: str) -> bytes:
    if not isinstance(value, str):
        raise ValueError(f"its {what} is missing")
    try:  # either alphabet, says DSSE
        return base64.b64decode(value.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"its {what} is not base64") from error
