"""SHA-256 of small things, without OpenSSL. Imports next to nothing: the short way uses it."""

from __future__ import annotations

TYPE_CHECKING = False  # `typing` costs 5 ms to import
if TYPE_CHECKING:
    from hashlib import sha256
else:
    try:  # hashlib loads OpenSSL: 12 ms, worth it for files alone. `random` avoids it in the same way.
        from _sha2 import sha256
    except ImportError:
        try:
            from _sha256 import sha256  # before Python 3.12
        except ImportError:  # another implementation
            from hashlib import sha256


def hexadecimal(data: bytes) -> str:
    """SHA-256 of ``data``, at most some hundred kilobytes: 64 hexadecimal digits."""
    return sha256(data).hexdigest()
