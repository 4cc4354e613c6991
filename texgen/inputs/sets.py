# SPDX-License-Identifier: Apache-2.0
"""Sorts files into PBR sets, and says of each file what it was recognised as or why it was left
out.
"""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from texgen.inputs.conventions import UNUSED, conventions
from texgen.inputs.names import NamedMap, read_name
from texgen.inputs.places import Source, list_sources

PICTURES = frozenset(f".{name}" for name in conventions().containers)
"""Extensions of picture files."""


@dataclass(frozen=True)
class SetFile:
    """A file of a set, and its role in it (see `Conventions`)."""

    source: Source
    role: str
    variant: str = ""


@dataclass(frozen=True)
class LeftOut:
    """A file that is not used, and why."""

    source: Source
    reason: str


@dataclass(frozen=True)
class MapSource:
    """Source of a map of a set."""

    file: SetFile
    channel: str = ""
    """Channel of a packing ("r", "g", "b" or "a"); empty for the whole file."""
    inverted: bool = False
    """True if the samples run the other way: gloss, or the green of a DirectX normal."""


@dataclass(frozen=True)
class TextureSet:
    """The files of one material."""

    name: str
    """In NFC."""
    folder: str
    files: tuple[SetFile, ...]

    def maps(self) -> dict[str, MapSource]:
        """Choose the best source of each map, by the preferences of `Conventions`."""
        return {
            kind: found for kind in conventions().prefer if (found := self._best(kind)) is not None
        }

    def unused(self) -> list[LeftOut]:
        """List the files that no map of `maps` comes from, and why."""
        used = {found.file.source: kind for kind, found in self.maps().items()}
        return [LeftOut(f.source, self._reason(f)) for f in self.files if f.source not in used]

    def _best(self, kind: str) -> MapSource | None:
        rules = conventions()
        for role in rules.prefer[kind]:
            for file in self.files:
                if file.role != role:
                    continue
                packing = rules.packings.get(role, {})
                target = {kind, "gloss"} if kind == "roughness" else {kind}
                channel = next((c for c, held in packing.items() if held in target), "")
                held = packing.get(channel, role)
                return MapSource(file, channel, held in ("gloss", "normal_dx"))
        return None

    def _reason(self, file: SetFile) -> str:
        if file.role.startswith(UNUSED):
            return f"a map that texgen does not use: {file.role.removeprefix(UNUSED)}"
        holds = conventions().packings.get(file.role, {"": file.role}).values()
        better = [
            f"{kind} is read from {found.file.source.name}"
            for kind, found in self.maps().items()
            if file.role in conventions().prefer[kind] or kind in holds
        ]
        return "; ".join(better) or "no map is read from it"


@dataclass(frozen=True)
class Inventory:
    """Contents of a folder: every picture is in exactly one of these lists."""

    sets: tuple[TextureSet, ...]
    pictures: tuple[Source, ...]
    """Lone pictures, whose names say no map: colour pictures."""
    left_out: tuple[LeftOut, ...]

    def all_left_out(self) -> list[LeftOut]:
        """List all files that are not used, also those within sets."""
        inner = itertools.chain.from_iterable(s.unused() for s in self.sets)
        return sorted([*self.left_out, *inner], key=lambda entry: str(entry.source))


@dataclass
class _Group:
    """Files whose names say the same set."""

    name: str
    folder: str
    files: list[tuple[Source, NamedMap]] = field(default_factory=list)


def find_sets(source: Path, *, deep: bool = False) -> Inventory:
    """Sort the files of a folder or zip archive into sets. Raises InvalidRequestError.

    A name that is also an ordinary word (`sheet_metal`) names a map only beside other maps.
    """
    return sort_files(list_sources(source, deep=deep))


def sort_files(sources: Iterable[Source]) -> Inventory:
    """Sort files into sets by their names."""
    groups: dict[tuple[str, str], _Group] = {}
    pictures: list[Source] = []
    left: list[LeftOut] = []
    for source in sources:
        if source.suffix not in PICTURES:
            left.append(LeftOut(source, _foreign(source)))
            continue
        named = read_name(source.stem)
        if named is None:
            pictures.append(source)
            continue
        name = named.stem or _folder_name(source)
        if named.tile:
            name = f"{name}.{named.tile}"
        group = groups.setdefault((source.folder, name.casefold()), _Group(name, source.folder))
        group.files.append((source, named))
    sets: list[TextureSet] = []
    for group in groups.values():
        if not _is_set(group):
            lone, previews = _partition_previews(group)
            pictures += lone
            left += previews
            continue
        for part in _by_size(group):
            found, doubles = _choose_containers(part)
            sets.append(found)
            left += doubles
    return Inventory(tuple(sets), tuple(sorted(pictures, key=str)), tuple(left))


def _foreign(source: Source) -> str:
    if source.suffix == ".psd":
        return "Photoshop documents are not read: export its maps as PNG"
    return "no picture"


def _folder_name(source: Source) -> str:
    """Name the set of a file that is called by its map alone, such as ``walls/4k/diff.jpg``."""
    folder = Path(source.folder)
    name = folder.name or source.path.stem
    return unicodedata.normalize("NFC", name)


def _is_set(group: _Group) -> bool:
    """Return whether the names of a group are map names, not ordinary words."""
    roles = {named.role for _, named in group.files}
    if any(named.strong for _, named in group.files):
        return True
    useful = {role for role in roles if not role.startswith(UNUSED)}
    return len(useful) > 1 or (len(roles) > 1 and bool(useful & {"basecolor", "normal"}))


def _partition_previews(group: _Group) -> tuple[list[Source], list[LeftOut]]:
    lone = [s for s, named in group.files if named.role != f"{UNUSED}preview"]
    previews = [
        LeftOut(s, "a preview, no map")
        for s, named in group.files
        if named.role == f"{UNUSED}preview"
    ]
    return lone, previews


def _by_size(group: _Group) -> list[_Group]:
    """Split a group if two files of one role differ in the size that their names say."""
    sizes: dict[tuple[str, str], set[str]] = {}
    for _, named in group.files:
        sizes.setdefault((named.role, named.variant), set()).add(named.size)
    if all(len(found) == 1 for found in sizes.values()):
        return [group]
    parts: dict[str, _Group] = {}
    for source, named in group.files:
        name = f"{group.name}_{named.size}" if named.size else group.name
        part = parts.setdefault(named.size, replace(group, name=name, files=[]))
        part.files.append((source, named))
    return list(parts.values())


def _choose_containers(group: _Group) -> tuple[TextureSet, list[LeftOut]]:
    """Keep the best of files that differ in their container alone."""
    order = conventions().containers
    best: dict[tuple[str, str], tuple[Source, NamedMap]] = {}
    doubles = []
    ranked = sorted(group.files, key=lambda f: (order.index(f[0].suffix[1:]), f[0].name))
    for source, named in ranked:
        key = (named.role, named.variant)
        if key in best:
            other = best[key][0].name
            doubles.append(LeftOut(source, f"the same map as {other}, which is preferred"))
        else:
            best[key] = (source, named)
    files = sorted(
        (SetFile(source, named.role, named.variant) for source, named in best.values()),
        key=lambda file: (file.variant, file.source.name),
    )
    return TextureSet(group.name, group.folder, tuple(files)), doubles
