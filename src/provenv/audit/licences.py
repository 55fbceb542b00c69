"""Licences: what a release says of its own as one SPDX expression, and whether a list allows that.

PEP 639's ``License-Expression`` first; else the classifiers that name one licence; else the older
``License`` where it is an SPDX expression to the letter. What those leave open, or contradict each other
in, is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import cache
from typing import Any

from provenv.core.values import frozen
from provenv.model.metadata import Metadata

_LONGEST = 4000
_OSI = "License :: OSI Approved :: "
# Classifiers that stand for one licence of SPDX's list.
CLASSIFIERS = {
    f"{_OSI}{title}": licence
    for title, licence in {
        "Blue Oak Model License (BlueOak-1.0.0)": "BlueOak-1.0.0",
        "Boost Software License 1.0 (BSL-1.0)": "BSL-1.0",
        "CMU License (MIT-CMU)": "MIT-CMU",
        "CEA CNRS Inria Logiciel Libre License, version 2.1 (CeCILL-2.1)": "CECILL-2.1",
        "Common Development and Distribution License 1.0 (CDDL-1.0)": "CDDL-1.0",
        "Eclipse Public License 1.0 (EPL-1.0)": "EPL-1.0",
        "Eclipse Public License 2.0 (EPL-2.0)": "EPL-2.0",
        "Educational Community License, Version 2.0 (ECL-2.0)": "ECL-2.0",
        "European Union Public Licence 1.0 (EUPL 1.0)": "EUPL-1.0",
        "European Union Public Licence 1.1 (EUPL 1.1)": "EUPL-1.1",
        "European Union Public Licence 1.2 (EUPL 1.2)": "EUPL-1.2",
        "GNU Affero General Public License v3": "AGPL-3.0-only",
        "GNU Affero General Public License v3 or later (AGPLv3+)": "AGPL-3.0-or-later",
        "GNU General Public License v2 (GPLv2)": "GPL-2.0-only",
        "GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
        "GNU General Public License v3 (GPLv3)": "GPL-3.0-only",
        "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
        "GNU Lesser General Public License v2 (LGPLv2)": "LGPL-2.0-only",
        "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.0-or-later",
        "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
        "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
        "Historical Permission Notice and Disclaimer (HPND)": "HPND",
        "ISC License (ISCL)": "ISC",
        "MIT License": "MIT",
        "MIT No Attribution License (MIT-0)": "MIT-0",
        "MirOS License (MirOS)": "MirOS",
        "Mozilla Public License 1.0 (MPL)": "MPL-1.0",
        "Mozilla Public License 1.1 (MPL 1.1)": "MPL-1.1",
        "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
        "Mulan Permissive Software License v2 (MulanPSL-2.0)": "MulanPSL-2.0",
        "NASA Open Source Agreement v1.3 (NASA-1.3)": "NASA-1.3",
        "Open Software License 3.0 (OSL-3.0)": "OSL-3.0",
        "PostgreSQL License": "PostgreSQL",
        "Python Software Foundation License": "PSF-2.0",
        "SIL Open Font License 1.1 (OFL-1.1)": "OFL-1.1",
        "Sleepycat License": "Sleepycat",
        "The Unlicense (Unlicense)": "Unlicense",
        "Universal Permissive License (UPL)": "UPL-1.0",
        "University of Illinois/NCSA Open Source License": "NCSA",
        "W3C License": "W3C",
        "Zero-Clause BSD (0BSD)": "0BSD",
        "zlib/libpng License": "Zlib",
    }.items()
} | {
    "License :: CeCILL-B Free Software License Agreement (CECILL-B)": "CECILL-B",
    "License :: CeCILL-C Free Software License Agreement (CECILL-C)": "CECILL-C",
    "License :: CC0 1.0 Universal (CC0 1.0) Public Domain Dedication": "CC0-1.0",
    "License :: Other/Proprietary License": "LicenseRef-Proprietary",
    "License :: Public Domain": "LicenseRef-Public-Domain",
}  # fmt: skip
# Classifiers that stand for several: how the identifiers of those begin.
FAMILIES: Mapping[str, tuple[str, ...]] = {
    "License :: DFSG approved": ("",),
    "License :: OSI Approved": ("",),
    f"{_OSI}Academic Free License (AFL)": ("AFL-",),
    f"{_OSI}Apache Software License": ("Apache-",),
    f"{_OSI}Apple Public Source License": ("APSL-",),
    f"{_OSI}Artistic License": ("Artistic-",),
    f"{_OSI}BSD License": ("0BSD", "BSD-"),
    f"{_OSI}GNU Free Documentation License (FDL)": ("GFDL-",),
    f"{_OSI}GNU General Public License (GPL)": ("GPL-",),
    f"{_OSI}GNU Library or Lesser General Public License (LGPL)": ("LGPL-",),
    f"{_OSI}Zope Public License": ("ZPL-",),
}


@frozen
class Licence:
    """What is known of a release's licence.

    Attributes:
        expression: In SPDX's terms, normalized; None where it cannot be told. ``reason``: Why.
        source: The field of the metadata that says it.
        several: Several classifiers say it, and none whether all of them hold or one may be chosen.
    """

    expression: str | None
    reason: str = ""
    source: str = ""
    several: bool = False


def of_metadata(metadata: Metadata) -> Licence:
    """What core metadata say, as one expression."""
    for name in ("license", "license_expression", "license-expression", "classifier"):
        if name in metadata.unreadable:
            return Licence(expression=None, reason=f"its metadata have no readable {name!r}")
    if metadata.expression is not None:
        found = normalized(metadata.expression)
        if found is None:
            said = _quoted(metadata.expression)
            return Licence(expression=None, reason=f"{said} is no expression of SPDX")
        return Licence(expression=found, source="License-Expression")
    return _older(metadata.classifiers, metadata.licence)


def _older(classifiers: Collection[str], field: str | None) -> Licence:
    """Of metadata before PEP 639: classifiers, and ``License``, which must not contradict them."""
    text = normalized(field) if field is not None else None
    named = {CLASSIFIERS[one] for one in classifiers if one in CLASSIFIERS}
    vague = [one for one in classifiers if one not in CLASSIFIERS]
    for one in vague:
        if text is not None and not text.startswith(FAMILIES.get(one, ())):
            return _contradicted(field, one)
    if named and text is not None:
        if {text} != named:
            return _contradicted(field, ", ".join(sorted(named)))
        return Licence(expression=text, source="License")
    if named and all("" in FAMILIES.get(one, ()) for one in vague):
        both = " AND ".join(sorted(named))
        return Licence(expression=normalized(both), source="Classifier", several=len(named) > 1)
    if text is not None and not named:
        return Licence(expression=text, source="License")
    if vague:
        said = _quoted(vague[0].rpartition(":: ")[2])
        return Licence(expression=None, reason=f"{said} may be several licences")
    if field is not None and field.strip() not in ("", "UNKNOWN"):
        return Licence(expression=None, reason=f"{_quoted(field)} is no expression of SPDX")
    return Licence(expression=None, reason="its metadata name none")


def _contradicted(field: str | None, other: str) -> Licence:
    said = f"{_quoted(field or '')} and {_quoted(other)} contradict each other"
    return Licence(expression=None, reason=said)


def _quoted(text: str) -> str:
    """What somebody wrote, short and in one line."""
    line = "".join(c for c in " ".join(text.split()) if c.isprintable())
    return f"'{line if len(line) <= 60 else line[:57] + '...'}'"


@cache
def normalized(text: str) -> str | None:
    """An expression in SPDX's spelling, old identifiers as the new ones; None where it is none.

    ``GPL-2.0+`` becomes ``GPL-2.0-or-later``. ``LicenseRef-…`` is a licence of its own (PEP 639).
    """
    tree = _tree(text)
    return None if tree is None else str(tree)


@cache
def _tree(text: str) -> Any:
    """The expression as a tree of ``license_expression``.

    ``packaging`` says whether it is one by SPDX's list; the other library knows names besides, and not
    ``LicenseRef-…``.
    """
    from license_expression import ExpressionError, ExpressionParseError
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    if len(text) > _LONGEST:
        return None
    try:
        return _library().parse(canonicalize_license_expression(text))
    except (ExpressionError, ExpressionParseError, InvalidLicenseExpression, RecursionError):
        return None


@cache
def _library() -> Any:
    from license_expression import get_spdx_licensing

    return get_spdx_licensing()


def satisfied(expression: str, holds: Callable[[str], bool]) -> bool:
    """Whether an expression can be kept with licences that ``holds`` says yes of.

    One of an ``OR`` is enough, of an ``AND`` all are needed; a licence ``WITH`` an exception is another
    licence.
    """
    tree = _tree(expression)
    return tree is not None and _holds(tree, holds)


def _holds(node: Any, holds: Callable[[str], bool]) -> bool:
    library = _library()
    if isinstance(node, library.OR):
        return any(_holds(part, holds) for part in node.args)
    if isinstance(node, library.AND):
        return all(_holds(part, holds) for part in node.args)
    return holds(str(node))


def permitted(licence: Licence, allow: Collection[str], deny: Collection[str]) -> bool | None:
    """Whether lists of licences allow one; None where that cannot be told.

    With ``allow``, nothing else is allowed; what ``deny`` names never is.
    """
    if licence.expression is None:
        return None
    allowed = {normalized(one) for one in allow}
    denied = {normalized(one) for one in deny}

    def holds(term: str) -> bool:
        return term not in denied and (not allowed or term in allowed)

    if satisfied(licence.expression, holds):
        return True  # where several stand there, all of them are allowed
    if licence.several and satisfied(licence.expression.replace(" AND ", " OR "), holds):
        return None
    return False
