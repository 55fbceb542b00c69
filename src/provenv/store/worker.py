"""A worker: a process that unpacks the wheels it is told to, one JSON line a wheel.

First line in: ``{"home": root, "workspace": folder}``. Then, for each wheel,
``{"wheel": path, "filename": …, "sha256": …}`` in and ``{}`` or ``{"error": …}`` out. The end of its
input is its end: a worker outlives its parent by one wheel at most. It prints nothing else.
"""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Mapping
from typing import Any

from provenv.core import errors
from provenv.core.errors import ProvenvError, UndecidedError
from provenv.model.layout import HomeLayout
from provenv.store.ingest import unpack


def main() -> None:
    """Serve standard input until it ends."""
    gc.disable()  # nothing that ingest makes is cyclic, and it makes very much
    lines = iter(sys.stdin.buffer.readline, b"")
    start = json.loads(next(lines))
    layout = HomeLayout(start["home"])
    for line in lines:
        answer = _serve(layout, start["workspace"], json.loads(line))
        sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
        sys.stdout.buffer.flush()


def _serve(layout: HomeLayout, workspace: str, job: Mapping[str, str]) -> dict[str, Any]:
    try:
        unpack(
            layout,
            job["wheel"],
            filename=job["filename"],
            sha256=job["sha256"],
            workspace=workspace,
        )
    except ProvenvError as error:
        return {"error": encode_error(error)}
    except Exception as error:  # noqa: BLE001  # the parent must hear of it, whatever it is
        return {
            "error": encode_error(
                UndecidedError(
                    f"{job['filename']}: cannot be unpacked: {type(error).__name__}: {error}",
                    hint="This is a defect of provenv; please report it with the wheel's name.",
                )
            )
        }
    return {}


def encode_error(error: ProvenvError) -> dict[str, Any]:
    """A typed error as JSON data."""
    return {
        "class": type(error).__name__,
        "message": error.message,
        "hint": error.hint,
        "details": error.details,
    }


def decode_error(data: Mapping[str, Any]) -> ProvenvError:
    """The error that :func:`encode_error` was given, of the same class."""
    kind = getattr(errors, data["class"], UndecidedError)
    error: ProvenvError = kind.__new__(kind)
    # the base alone: some classes put their message together when they are made
    ProvenvError.__init__(error, data["message"], hint=data["hint"], details=data["details"])
    return error


if __name__ == "__main__":
    main()
