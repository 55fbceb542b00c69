"""Floor 3: manifest → lock, by uv."""

from provenv.resolve.resolver import resolve, resolve_requirements
from provenv.resolve.settings import ResolveSettings

__all__ = ["ResolveSettings", "resolve", "resolve_requirements"]
