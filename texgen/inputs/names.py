# SPDX-License-Identifier: Apache-2.0
"""Reads file names: which map of which set a file is, by the words of `conventions`."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace

from texgen.inputs.conventions import Conventions, conventions

CHUNK = re.compile(r"[^_\-\s.()\[\]]+")
WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+|[^A-Za-z\d]+")
SIZE = re.compile(r"\d{1,2}k|\d{3,5}(?:px|x\d{3,5})", re.IGNORECASE)
VARIANT = re.compile(r"var(?:iant|iation)?\d+|v\d+", re.IGNORECASE)
TILE = re.compile(r"\d{4,}")
"""UDIM tile (1001 to 1999) or frame number."""
LEVEL = re.compile(r"lod\d+", re.IGNORECASE)
LONGEST_WORDS = 4
SHORT = 4
"""Words up to this length count only at the beginning of a chunk: `Iron` is no `ro` + `n`."""


@dataclass(frozen=True)
class NamedMap:
    """A file name that names a map."""

    stem: str
    """Name of the set; empty if the file is named after its map alone."""
    role: str
    """See `Conventions`."""
    strong: bool
    """True if the word always names a map, without other maps beside it."""
    size: str = ""
    """Size in the name, such as ``4k``, lower case; empty if there is none."""
    variant: str = ""
    """Variant in the name, such as ``var2``, lower case."""
    tile: str = ""
    """UDIM tile or frame number."""


@dataclass(frozen=True)
class _Chunk:
    text: str
    start: int
    end: int


def read_name(name: str) -> NamedMap | None:
    """Read a file name without its extension. Returns None if it names no map."""
    text = unicodedata.normalize("NFC", name)
    rules = conventions()
    chunks = [_Chunk(m[0], m.start(), m.end()) for m in CHUNK.finditer(text)]
    named = NamedMap("", "", strong=False)
    while chunks and (found := _modifier(chunks, named, rules)) is not None:
        named = found
        chunks = chunks[:-1]
    return _suffix(text, chunks, named, rules) or _prefix(text, chunks, named, rules)


def _modifier(chunks: list[_Chunk], named: NamedMap, rules: Conventions) -> NamedMap | None:
    """Read the last chunk as a word beside the map word; None if it is none."""
    word = chunks[-1].text.lower()
    if SIZE.fullmatch(word):
        return replace(named, size=named.size or word)
    if VARIANT.fullmatch(word) and len(chunks) > 1:
        return replace(named, variant=named.variant or word)
    if LEVEL.fullmatch(word) or word in rules.beside["containers"] | rules.beside["depths"]:
        return named
    if len(chunks) < 2:
        return None
    if TILE.fullmatch(word) and _ends_in_word(chunks[:-1], rules):
        return replace(named, tile=named.tile or word)
    workflow = SIZE.fullmatch(chunks[-2].text) and word in rules.beside["workflows"]
    return named if workflow and _ends_in_word(chunks[:-1], rules) else None


def _ends_in_word(chunks: list[_Chunk], rules: Conventions) -> bool:
    """Return whether a map word ends the chunks, sizes left out."""
    while chunks and SIZE.fullmatch(chunks[-1].text):
        chunks = chunks[:-1]
    return _word_at_end(chunks, rules) is not None


def _word_at_end(chunks: list[_Chunk], rules: Conventions) -> tuple[int, str, bool] | None:
    """Find the longest map word at the end: (where it starts, role, strong)."""
    words = [
        (m[0].lower(), chunk.start + m.start(), m.start() == 0)
        for chunk in chunks[-LONGEST_WORDS:]
        for m in WORD.finditer(chunk.text)
    ]
    for count in range(min(LONGEST_WORDS, len(words)), 0, -1):
        joined = "".join(word for word, _, _ in words[-count:])
        _, start, opens = words[-count]
        role = rules.strong.get(joined) or rules.weak.get(joined)
        if role is not None and (opens or len(joined) > SHORT):
            return start, role, joined in rules.strong
    return None


def _suffix(
    text: str, chunks: list[_Chunk], named: NamedMap, rules: Conventions
) -> NamedMap | None:
    found = _word_at_end(chunks, rules)
    if found is None:
        return None
    start, role, strong = found
    kept = [c for c in chunks if c.start < start]
    inner = [c.text.lower() for c in kept if SIZE.fullmatch(c.text)]
    stem = _stem(text[:start], kept, rules)
    return replace(
        named, stem=stem, role=role, strong=strong, size=named.size or "".join(inner[:1])
    )


def _prefix(
    text: str, chunks: list[_Chunk], named: NamedMap, rules: Conventions
) -> NamedMap | None:
    """Read a name that begins with its map, such as ``Metalness_4K__schvfgwp``: always weak."""
    for count in range(min(2, len(chunks) - 1), 0, -1):
        found = _word_at_end(chunks[:count], rules)
        if found is not None and found[0] == chunks[0].start:
            rest = chunks[count:]
            inner = [c.text.lower() for c in rest if SIZE.fullmatch(c.text)]
            stem = _stem(text[rest[0].start : rest[-1].end], rest, rules, rest[0].start)
            size = named.size or "".join(inner[:1])
            return (
                replace(named, stem=stem, role=found[1], strong=False, size=size) if stem else None
            )
    return None


def _stem(text: str, chunks: list[_Chunk], rules: Conventions, offset: int = 0) -> str:
    """Take sizes and containers out of the name of a set."""
    for chunk in reversed(chunks):
        size = SIZE.fullmatch(chunk.text)
        beside = chunk.text.lower() in rules.beside["containers"]
        if size or (beside and chunk is not chunks[0]):
            text = text[: max(0, chunk.start - offset)] + text[chunk.end - offset :]
    return re.sub(r"([_\-\s.])[_\-\s.]+", r"\1", text).strip("_-. ")
