# SPDX-License-Identifier: Apache-2.0
"""Checks names of files that are to be written: the same rules on every system.

Source: Windows' "Naming Files, Paths, and Namespaces", the strictest of the systems.
"""

from __future__ import annotations

import re
import unicodedata

from texgen.errors import InvalidRequestError

FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
DEVICES = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$"}
    | {f"{port}{number}" for port in ("com", "lpt") for number in "0123456789\u00b9\u00b2\u00b3"}
)
MAX_BYTES = 180
"""Longest name in UTF-8; map suffixes and extensions are added to it, and systems allow 255."""


def checked_stem(name: str, field: str = "name") -> str:
    """Return a name for files in NFC, checked to be legal on every system.

    Raises InvalidRequestError for folders, reserved characters and device names, points or spaces
    at the end, and names that are too long.
    """
    stem = unicodedata.normalize("NFC", name)
    if not stem.strip(". "):
        raise InvalidRequestError(f"{field} {name!r}: give a file name", field)
    if found := FORBIDDEN.search(stem):
        raise InvalidRequestError(
            f'{field} {name!r}: {found[0]!r} is not allowed in file names (nor are < > : " / \\ '
            f"| ? *): give a plain name without folders",
            field,
        )
    if stem[-1] in ". " or stem[0] in ". ":
        raise InvalidRequestError(
            f"{field} {name!r}: a file name neither begins nor ends with a point or space", field
        )
    if stem.partition(".")[0].rstrip().casefold() in DEVICES:
        raise InvalidRequestError(
            f"{field} {name!r} is the name of a device on Windows: choose another", field
        )
    if any(0xD800 <= ord(letter) <= 0xDFFF for letter in stem):
        raise InvalidRequestError(f"{field} {name!r} is no valid Unicode", field)
    if len(stem.encode()) > MAX_BYTES:
        raise InvalidRequestError(
            f"{field} {name[:40]!r}... has {len(stem.encode())} bytes: at most {MAX_BYTES}", field
        )
    return stem
