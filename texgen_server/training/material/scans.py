# SPDX-License-Identifier: Apache-2.0
"""Imports a folder of the user's own texture sets into the layout that training reads.

Knows the names of `texgen.inputs.conventions`.

A set is all files that share a stem, in a folder of its own or with others; the class is the name
of the folder above the sets when they are sorted into folders, else the letters that the stem
begins with. The source is only read; used files are copied.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from texgen.errors import InvalidRequestError, TexgenError
from texgen.inputs.conventions import conventions
from texgen.inputs.reading import ReadSet, read_set
from texgen.inputs.sets import TextureSet, find_sets
from texgen.maps import MapKind, Pixels, from_unit, to_unit
from texgen_server.repair.normal_integration import central_slopes
from texgen_server.training.catalog import OWN_LICENCE

MIN_PX, MAX_PX = 256, 1024
CATALOGUE_COLUMNS = (
    "asset_id",
    "publisher",
    "class",
    "licence",
    "source_repository",
    "metallic_default",
    "geometry_group",
)

Floats = NDArray[np.float32]


@dataclass
class Report:
    """The sets that were imported from a folder, and why others were not."""

    imported: dict[str, str] = field(default_factory=dict)  # set -> class
    refused: dict[str, str] = field(default_factory=dict)  # set or file -> reason
    notes: dict[str, str] = field(default_factory=dict)  # set -> what was filled in

    def text(self) -> str:
        """Return the report for people, with a line for each set."""
        lines = [
            f"taken    {name} (class {kind}){': ' + self.notes[name] if name in self.notes else ''}"
            for name, kind in self.imported.items()
        ]
        lines += [f"refused  {name}: {reason}" for name, reason in self.refused.items()]
        return "\n".join([*lines, f"{len(self.imported)} sets taken, {len(self.refused)} refused"])


def import_scans(source: Path, target: Path) -> Report:
    """Copy every usable set below ``source`` to ``target``/materials and write
    ``target``/materials.csv.

    Raises InvalidRequestError when there is none.
    """
    report = Report()
    rows: list[list[str]] = []
    inventory = find_sets(source, deep=True)
    words = ", ".join(conventions().prefer)
    report.refused |= {
        picture.name: f"its name ends in no map word such as {words}"
        for picture in inventory.pictures
    }
    for found in sorted(inventory.sets, key=lambda found: (found.folder, found.name)):
        name = re.sub(r"[^A-Za-z0-9_]", "_", found.name)
        if name in report.imported:
            report.refused[f"{found.folder}/{found.name}"] = (
                f"another set is called {name} already: rename one of them"
            )
            continue
        try:
            maps, note = _maps(found)
        except TexgenError as error:
            report.refused[found.name] = str(error)
            continue
        report.imported[name] = _class_of(source, found)
        if note:
            report.notes[name] = note
        _write_set(target / "materials" / name, maps)
        rows.append([name, "own", report.imported[name], OWN_LICENCE, found.folder, "0", name])
    if not rows:
        raise InvalidRequestError(
            f"no texture set in {source} can be used\n{report.text()}", "data"
        )
    with (target / "materials.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([CATALOGUE_COLUMNS, *rows])
    return report


def _class_of(source: Path, found: TextureSet) -> str:
    folder = Path(found.folder)
    parts = folder.relative_to(source).parts if source.is_dir() else folder.parts
    if parts and parts[-1].lower().startswith(found.name.lower()):
        parts = parts[:-1]  # a folder for each set
    letters = re.match(r"[A-Za-z]+", re.sub(r"([a-z])([A-Z]).*", r"\1", found.name))
    word = parts[-1] if parts else letters[0] if letters else "own"
    return re.sub(r"[^a-z0-9]+", "_", word.lower()).strip("_") or "own"


def _maps(found: TextureSet) -> tuple[dict[MapKind, Floats], str]:
    """Read the maps of a set as float arrays in 0..1, and what was filled in.

    Raises InvalidRequestError with the reason it cannot be used.
    """
    scan = read_set(found)
    edge = _edge(scan)
    if MapKind.ROUGHNESS not in scan.maps:
        raise InvalidRequestError("it has no roughness (also: gloss, orm)", "data")
    maps = {kind: _floats(kind, pixels) for kind, pixels in scan.maps.items()}
    note = ""
    if MapKind.NORMAL not in maps:
        maps[MapKind.NORMAL], note = _normal_from_height(maps), "normal made from height"
    elif scan.sources[MapKind.NORMAL].inverted:
        note = "normal turned from DirectX to OpenGL"
    return {kind: _resized(values, edge) for kind, values in maps.items()}, note


def _edge(scan: ReadSet) -> int:
    """Return the edge in px that a set is resized to. Raises InvalidRequestError."""
    if MapKind.BASECOLOR not in scan.maps:
        raise InvalidRequestError("it has no basecolor (also: color, albedo, diffuse)", "data")
    height, width = (int(edge) for edge in scan.maps[MapKind.BASECOLOR].shape[:2])
    if height != width:
        raise InvalidRequestError(
            f"its basecolor is {width} x {height} px: square tiles are needed", "data"
        )
    if height < MIN_PX:
        raise InvalidRequestError(
            f"its basecolor is {height} px: at least {MIN_PX} px are needed", "data"
        )
    return min(MAX_PX, 1 << (height.bit_length() - 1))


def _floats(kind: MapKind, pixels: Pixels) -> Floats:
    """Return a map in 0..1: (H, W, 3) for colours and normals, else (H, W)."""
    unit = to_unit(pixels)
    return unit[..., :3] if kind in (MapKind.BASECOLOR, MapKind.NORMAL) else unit[..., 0]


def _normal_from_height(maps: dict[MapKind, Floats]) -> Floats:
    height = maps.get(MapKind.HEIGHT)
    if height is None:
        raise InvalidRequestError("it has neither a normal nor a height", "data")
    right, down = central_slopes(height * 0.03 * height.shape[0])
    normal = np.stack([-right, down, np.ones_like(right)], -1)
    unit: Floats = (normal / np.linalg.norm(normal, axis=-1, keepdims=True) * 0.5 + 0.5).astype(
        np.float32
    )
    return unit


def _resized(values: Floats, edge: int) -> Floats:
    if values.ndim == 3:
        return np.stack([_resized(values[..., i], edge) for i in range(3)], -1)
    resized: Floats = np.asarray(
        Image.fromarray(values).resize((edge, edge), Image.Resampling.BOX), np.float32
    )
    return resized


def _write_set(folder: Path, maps: dict[MapKind, Floats]) -> None:
    """Write maps as lossless WebP, height as 16-bit PNG."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind, values in maps.items():
        if kind is MapKind.HEIGHT:
            Image.fromarray(from_unit(values, np.uint16, half_to_even=True)).save(
                folder / "height.png"
            )
        else:
            Image.fromarray(from_unit(values, np.uint8, half_to_even=True)).save(
                folder / f"{kind}.webp", lossless=True
            )
