"""Seals: a text that ends with a digest of all that stands before it, so that a changed bit is noticed.

A seal shows damage, not forgery: whoever may write the file may seal it anew. BLAKE2 comes from the
interpreter itself (``hashlib`` would load OpenSSL), and imports nothing: short ways read seals.
"""

from __future__ import annotations

_BEFORE, _AFTER = b',"seal":"', b'"}\n'
_LENGTH = 32  # hexadecimal digits
_TAIL = len(_BEFORE) + _LENGTH + len(_AFTER)


def sum_of(*parts: bytes) -> str:
    """A digest over ``parts``, their lengths among it: 32 hexadecimal digits."""
    from _blake2 import blake2b

    state = blake2b(digest_size=_LENGTH // 2)
    for part in parts:
        state.update(len(part).to_bytes(8, "little"))
        state.update(part)
    digest: str = state.hexdigest()
    return digest


def sealed(text: bytes) -> bytes:
    """A JSON object that is not empty, with ``seal`` as its last member."""
    body = text.rstrip()[:-1].rstrip()
    return body + _BEFORE + sum_of(body).encode() + _AFTER


def is_sealed(text: bytes) -> bool:
    """Whether a JSON object is, to the bit, what :func:`sealed` gave."""
    body, tail = text[:-_TAIL], text[-_TAIL:]
    return tail == _BEFORE + sum_of(body).encode() + _AFTER


def unsealed(text: bytes) -> bytes:
    """What stood before the seal: ``sealed(unsealed(text))`` is ``text``."""
    return text[:-_TAIL] + b"}\n"
