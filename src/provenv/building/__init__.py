"""Floor 5: source trees → wheels, each build in an isolated environment of its own."""

from provenv.building.builder import Builder
from provenv.building.built import Built

__all__ = ["Builder", "Built"]
