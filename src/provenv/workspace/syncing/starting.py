"""What comes with a distribution and runs at every start of Python, imported or not (module ``site``).

A line of a ``.pth`` file that begins with ``import`` is executed, and so are ``sitecustomize`` and
``usercustomize``. Few wheels bring such a thing, and some are right to; nobody should find it by chance.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from provenv.environments.tree import Steps

_FROM_STORE = ("L", "C", "Y", "W", "S")
_ENDS = ("", ".py", "/__init__.py")
_MODULES = {f"{who}customize{end}" for who in ("site", "user") for end in _ENDS}
_TAILS = (".pth", *(f"customize{end}" for end in _ENDS))
_CODE = (b"import ", b"import\t")


def starting(
    steps: Steps, home: str, site_packages: str, objects: Collection[str]
) -> Iterator[tuple[str, str]]:
    """Each such file of a tree, for those of its objects that are asked about.

    Args:
        steps: What the tree consists of.
        home: The home folder.
        site_packages: Of the tree, relative to it.
        objects: SHA-256 of their wheels.

    Yields:
        The object's SHA-256, and the name of the file.
    """
    prefix = f"{site_packages}/"
    for kind, source, path in steps:
        if kind not in _FROM_STORE or not path.endswith(_TAILS):
            continue
        name = path.removeprefix(prefix)
        owner = next((part for part in source.split("/") if part in objects), None)
        if owner is None or name == path:
            continue
        pth = name.endswith(".pth") and "/" not in name and _runs(f"{home}/{source}")
        if pth or name in _MODULES:
            yield owner, name


def _runs(path: str) -> bool:
    try:
        with open(path, "rb") as stream:
            return any(line.startswith(_CODE) for line in stream)
    except OSError:
        return False
