"""``direct_url.json``: where a distribution came from, when not from an index (PEP 610).

Nothing here holds credentials, but for the user name ``git``, which SSH addresses are made with.
"""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import quote

from provenv.core.http import split_credentials
from provenv.model.plan import Artifact


def folder_url(root: str, *, editable: bool) -> dict[str, Any]:
    """Of a local source folder."""
    info: dict[str, Any] = {"editable": True} if editable else {}
    return {"url": _file(root), "dir_info": info}


def archive_url(artifact: Artifact, base: str) -> dict[str, Any]:
    """Of a source archive; ``base`` is where its relative path begins."""
    url = split_credentials(artifact.url)[0]
    if not url:
        url = _file(os.path.abspath(os.path.join(base, artifact.path)))
    hashes = {"sha256": artifact.sha256}
    found: dict[str, Any] = {
        "url": url,
        "archive_info": {"hash": f"sha256={artifact.sha256}", "hashes": hashes},
    }
    if artifact.subdirectory:
        found["subdirectory"] = artifact.subdirectory
    return found


def commit_url(artifact: Artifact, url: str) -> dict[str, Any]:
    """Of a commit in the repository ``url``."""
    bare, secret = split_credentials(url)
    if secret is not None and secret.username == "git" and not secret.password:
        bare = url
    info = {"vcs": "git", "commit_id": artifact.commit}
    if artifact.revision:
        info["requested_revision"] = artifact.revision
    found: dict[str, Any] = {
        "url": bare if "://" in bare or not bare.startswith("/") else _file(bare),
        "vcs_info": info,
    }
    if artifact.subdirectory:
        found["subdirectory"] = artifact.subdirectory
    return found


def _file(path: str) -> str:
    return f"file://{quote(path)}"
