"""Where packages tell what has changed in them, by their own metadata."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from provenv.core.events import silent
from provenv.core.values import replace
from provenv.workspace.assuring import candidates
from provenv.workspace.assuring.candidates import Candidate, Desk
from provenv.workspace.governing import described

# Labels of `Project-URL` under which changes are told, normalized as "Well-known Project URLs in
# Metadata" of the packaging specifications has it; the first that is there is taken.
_LABELS = (
    "changelog", "changes", "whatsnew", "releasenotes", "history", "changelogs", "news", "releases",
)  # fmt: skip


def links(desk: Desk, candidate: Candidate, names: Collection[str]) -> dict[str, str]:
    """For some packages of a candidate the address of their changelog; those that name none are left out.

    Their metadata come from the store, or are asked of their index.
    """
    found = [one for one in candidates.subjects_of(desk, candidate) if one.name in names]
    quiet = replace(desk.context, emit=silent)
    known = described.describe(candidate.project, quiet, found, fetch=True)
    told = {}
    for (name, _), one in known.items():
        if one.metadata is not None and (address := link(one.metadata.urls)) is not None:
            told[name] = address
    return told


def link(urls: Mapping[str, str]) -> str | None:
    """The address under the first label that stands for a changelog.

    Only addresses of the web that Markdown takes as they are: they come from whoever made the package.
    """
    normal = {"".join(filter(str.isalnum, label.lower())): url for label, url in urls.items()}
    found = next((normal[label] for label in _LABELS if label in normal), "")
    plain = found.startswith(("https://", "http://")) and found.isprintable()
    return found if plain and not set(found) & set(" <>\"'()[]`|\\") else None
