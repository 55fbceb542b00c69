"""What resolving needs besides the manifest: where it may write, how it reaches indexes, and for whom."""

from __future__ import annotations

from collections.abc import Mapping

from provenv.core.http import Credentials, HttpSettings
from provenv.core.values import field, frozen
from provenv.model.interpreter import Interpreter


@frozen
class ResolveSettings:
    """How to resolve.

    Attributes:
        cache: uv's cache folder.
        tmp: A folder for temporary projects; made where it is missing.
        environ: The environment that programs are started with, before it is cleaned.
        http: How servers are reached.
        credentials: By name of index.
        index_url: Replaces the default index for this run; may hold credentials.
        offline: Only what is cached may be used.
        interpreter: What builds metadata, and the lower bound where the manifest gives none.
    """

    cache: str
    tmp: str
    environ: Mapping[str, str]
    interpreter: Interpreter
    http: HttpSettings = field(default_factory=HttpSettings)
    credentials: Mapping[str, Credentials] = field(default_factory=dict)
    index_url: str | None = None
    offline: bool = False
