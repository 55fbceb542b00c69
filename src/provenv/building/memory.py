"""What was built from what, remembered across runs: small JSON files in the home's ``builds`` folder.

A record is a cache entry. Where it is missing, unreadable or of another format, the work is done
again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from provenv.core.files import ensure_folder, temporary_name

FORMAT = 1


class Memory:
    """The records in one folder, each under its key."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def read(self, key: str) -> dict[str, Any] | None:
        """The record of that key, or None."""
        try:
            with open(os.path.join(self.folder, f"{key}.json"), "rb") as stream:
                data = json.loads(stream.read())
        except (OSError, ValueError):
            return None
        return data if isinstance(data, dict) and data.get("format") == FORMAT else None

    def write(self, key: str, record: Mapping[str, Any]) -> None:
        """Keep ``record`` under ``key``: readers see the old one or the new one.

        Raises:
            DiskError: The folder cannot be made.
        """
        ensure_folder(self.folder)
        path = os.path.join(self.folder, f"{key}.json")
        temporary = temporary_name(path)
        # A record that cannot be written costs a build later on, and nothing else. It is not synced
        # to the disk: half a record does not parse, and counts as none.
        with suppress(OSError):
            try:
                with open(temporary, "x", encoding="utf-8") as stream:
                    json.dump({"format": FORMAT, **record}, stream, separators=(",", ":"))
                os.replace(temporary, path)
            except BaseException:
                with suppress(OSError):
                    os.unlink(temporary)
                raise
