"""Environments by name: created, listed, edited, removed."""
