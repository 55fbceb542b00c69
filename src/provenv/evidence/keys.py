"""Ed25519 keys (RFC 8032): made, read, named, and written so that others' tools read them.

A private key is a PEM file (PKCS #8) that only its owner may read, a public one PEM
(SubjectPublicKeyInfo) or one line, ``ed25519:BASE64``, which fits into a policy. A key is named by the
SHA-256 of its SubjectPublicKeyInfo.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import os
from typing import TYPE_CHECKING

from provenv.core.errors import ForeignError, InputError
from provenv.core.files import disk_error, ensure_folder, write_atomic
from provenv.core.values import frozen

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

PREFIX = "ed25519:"
PRIVATE, PUBLIC = ".key", ".pub"


@frozen
class PublicKey:
    """A key that signatures are checked with; ``raw`` are its 32 bytes, ``label`` what people call it."""

    raw: bytes
    label: str = ""

    @property
    def id(self) -> str:
        """SHA-256 of its SubjectPublicKeyInfo (RFC 5280), in hexadecimal."""
        return hashlib.sha256(_SPKI + self.raw).hexdigest()

    @property
    def text(self) -> str:
        """It in one line."""
        return PREFIX + base64.b64encode(self.raw).decode()

    def holds(self, signature: bytes, data: bytes) -> bool:
        """Whether the signature is this key's over these bytes."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, data)
        except InvalidSignature:
            return False
        return True


# What stands before the 32 bytes of every Ed25519 key (RFC 8410, section 4): SEQUENCE, the algorithm's
# identifier 1.3.101.112, BIT STRING.
_SPKI = bytes.fromhex("302a300506032b6570032100")


@frozen
class PrivateKey:
    """A key that signs."""

    key: Ed25519PrivateKey
    label: str = ""

    @property
    def public(self) -> PublicKey:
        """Its other half."""
        return PublicKey(raw=_raw(self.key.public_key()), label=self.label)

    def sign(self, data: bytes) -> bytes:
        """The signature, 64 bytes."""
        return self.key.sign(data)


def create(folder: str, name: str) -> PrivateKey:
    """A new key, as ``NAME.key`` (mode 0600) and ``NAME.pub`` in a folder.

    Raises:
        ForeignError: There is one of this name; it is never overwritten.
        DiskError: The file system refused.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    _make_folder(folder)
    path = os.path.join(folder, name)
    for taken in (path + PRIVATE, path + PUBLIC):
        if os.path.lexists(taken):
            raise ForeignError(
                f"{taken} is there already",
                hint="Keys are never overwritten: choose another name.",
            )
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    made = PrivateKey(key=key, label=name)
    try:
        descriptor = os.open(path + PRIVATE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise disk_error(error, "write", path + PRIVATE) from error
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(private)
            stream.flush()
            os.fsync(stream.fileno())
        write_atomic(path + PUBLIC, as_pem(made.public).encode())
    except BaseException as error:
        with contextlib.suppress(
            OSError
        ):  # half a key would take the name, and be tried for signing
            os.unlink(path + PRIVATE)
        if isinstance(error, OSError):
            raise disk_error(error, "write", path + PRIVATE) from error
        raise
    return made


def _make_folder(folder: str) -> None:
    """A folder that its owner alone may enter: whoever can write there says whom this machine trusts."""
    ensure_folder(os.path.dirname(folder))
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        return
    except OSError as error:
        raise disk_error(error, "create", folder) from error


def as_pem(key: PublicKey) -> str:
    """A public key as OpenSSL and others read it."""
    body = base64.b64encode(_SPKI + key.raw).decode()
    return f"-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n"


def read_private(path: str) -> PrivateKey:
    """A private key from its file.

    Raises:
        InputError: It is no Ed25519 key, needs a password, or others may read it.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    try:
        with open(path, "rb") as stream:
            text, mode = stream.read(), os.fstat(stream.fileno()).st_mode
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=path) from error
    if mode & 0o077:
        raise InputError(
            "others may read this private key",
            file=path,
            hint=f"`chmod 600 {path}`, or make a new one.",
        )
    try:
        key = serialization.load_pem_private_key(text, password=None)
    except (ValueError, TypeError) as error:
        raise InputError("is no private key in PEM without a password", file=path) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError("is a key of another kind than Ed25519", file=path)
    return PrivateKey(key=key, label=os.path.basename(path).removesuffix(PRIVATE))


def read_public(path: str) -> PublicKey:
    """A public key from its file, PEM or one line.

    Raises:
        InputError: It is none.
    """
    try:
        with open(path, encoding="ascii") as stream:
            text = stream.read(10_000)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=path) from error
    except UnicodeDecodeError as error:
        raise InputError("is no public key: it is no text", file=path) from error
    label = os.path.basename(path).removesuffix(PUBLIC)
    try:
        return parse_public(text, label)
    except ValueError as error:
        raise InputError(f"is no Ed25519 public key: {error}", file=path) from error


def parse_public(text: str, label: str = "") -> PublicKey:
    """A public key in PEM, or in one line.

    Raises:
        ValueError: It is none, with the reason.
    """
    text = text.strip()
    if text.startswith(PREFIX):
        raw = _decoded(text.removeprefix(PREFIX))
    else:
        lines = text.splitlines()
        if len(lines) < 3 or "BEGIN PUBLIC KEY" not in lines[0]:
            raise ValueError("neither `ed25519:…` nor PEM")
        body = _decoded("".join(line.strip() for line in lines[1:-1]))
        if not body.startswith(_SPKI):
            raise ValueError("it is of another kind")
        raw = body.removeprefix(_SPKI)
    if len(raw) != 32:
        raise ValueError(f"it has {len(raw)} bytes, and 32 are needed")
    return PublicKey(raw=raw, label=label)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("it is not base64") from error


def _raw(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes_raw()
