"""Orders of a small shop."""

from shop.api import create_app

__all__ = ["create_app"]
