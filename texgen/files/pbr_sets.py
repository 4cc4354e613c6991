# SPDX-License-Identifier: Apache-2.0
"""Finds the files that belong to one material by the naming of ambientCG, Poly Haven, texgen and
the usual exporters.
"""

from __future__ import annotations

import re
from pathlib import Path

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff"}
WORDS = {
    "basecolor": ("basecolor", "base_color", "color", "colour", "albedo", "diff", "diffuse", "col"),
    "normal": ("normal_gl", "normalgl", "nor_gl", "normal", "nor", "nrm"),
    "normal_dx": ("normal_dx", "normaldx", "nor_dx"),
    "roughness": ("roughness", "rough"),
    "gloss": ("gloss", "glossiness"),
    "metallic": ("metallic", "metalness", "metal"),
    "height": ("height", "displacement", "disp", "bump"),
    "ao": ("ao", "ambientocclusion", "ambient_occlusion", "occlusion"),
    "arm": ("arm", "orm"),
}
_KIND_BY_WORD = {word: kind for kind, words in WORDS.items() for word in words}
_PATTERN = re.compile(
    r"^(?P<stem>.+?)[_\- ](?P<word>"
    + "|".join(sorted(_KIND_BY_WORD, key=len, reverse=True))
    + r")(?:[_\- ]\d+k)?$",
    re.IGNORECASE,
)
_RESOLUTION = re.compile(r"[_\- ]\d+k(?:[_\- ](?:jpg|png))?$", re.IGNORECASE)


def map_word(stem: str) -> tuple[str, str] | None:
    """Split a file's stem into the stem of its set and the kind of map as in `WORDS`; None when it
    names no map.
    """
    match = _PATTERN.match(stem)
    return (
        (_RESOLUTION.sub("", match["stem"]), _KIND_BY_WORD[match["word"].lower()])
        if match
        else None
    )


def find_sets(
    folder: Path, *, deep: bool = True
) -> tuple[dict[tuple[Path, str], dict[str, Path]], list[Path]]:
    """Find all sets in a folder and, if ``deep``, in folders below it.

    Returns the files of each set, by folder and stem, then by kind of map; and the pictures whose
    names say no map.
    """
    sets: dict[tuple[Path, str], dict[str, Path]] = {}
    nameless = []
    paths = folder.rglob("*") if deep else folder.iterdir()
    for path in sorted(p for p in paths if p.suffix.lower() in SUFFIXES):
        found = map_word(path.stem)
        if found is None:
            nameless.append(path)
        else:
            sets.setdefault((path.parent, found[0]), {}).setdefault(found[1], path)
    return sets, nameless
