# SPDX-License-Identifier: Apache-2.0
"""Imports a folder of the user's own texture sets into the layout that training reads.

Knows the names of ambientCG, Poly Haven and texgen.

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

from texgen.errors import InvalidRequestError
from texgen.files.pbr_sets import WORDS, find_sets
from texgen.maps import from_unit
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

Gray = NDArray[np.float32]


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
    sets, nameless = find_sets(source)
    report.refused |= {
        path.name: (
            f"its name ends in no map word such as "
            f"{', '.join(words[0] for words in WORDS.values())}"
        )
        for path in nameless
    }
    for (folder, stem), files in sorted(sets.items()):
        try:
            maps, note = _maps(files)
        except (OSError, ValueError) as error:
            report.refused[stem] = str(error)
            continue
        name = re.sub(r"[^A-Za-z0-9_]", "_", stem)
        report.imported[name] = _class_of(source, folder, stem)
        if note:
            report.notes[name] = note
        _write_set(target / "materials" / name, maps)
        rows.append([name, "own", report.imported[name], OWN_LICENCE, str(folder), "0", name])
    if not rows:
        raise InvalidRequestError(
            f"no texture set in {source} can be used\n{report.text()}", "data"
        )
    with (target / "materials.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([CATALOGUE_COLUMNS, *rows])
    return report


def _class_of(source: Path, folder: Path, stem: str) -> str:
    parts = folder.relative_to(source).parts
    if parts and parts[-1].lower().startswith(stem.lower()):
        parts = parts[:-1]  # a folder for each set
    letters = re.match(r"[A-Za-z]+", re.sub(r"([a-z])([A-Z]).*", r"\1", stem))
    word = parts[-1] if parts else letters[0] if letters else "own"
    return re.sub(r"[^a-z0-9]+", "_", word.lower()).strip("_") or "own"


def _maps(files: dict[str, Path]) -> tuple[dict[str, Gray], str]:
    """Read the maps of a set as float arrays in 0..1, and what was filled in.

    Raises ValueError with the reason it cannot be used.
    """
    if "basecolor" not in files:
        raise ValueError("it has no basecolor (also: color, albedo, diffuse)")
    color = _read(files["basecolor"], 3)
    edge = min(MAX_PX, 1 << (min(color.shape[:2]).bit_length() - 1))
    if color.shape[0] != color.shape[1]:
        raise ValueError(
            f"its basecolor is {color.shape[1]} x {color.shape[0]} px: square tiles are needed"
        )
    if edge < MIN_PX:
        raise ValueError(f"its basecolor is {color.shape[0]} px: at least {MIN_PX} px are needed")
    notes: list[str] = []
    packed = _read(files["arm"], 3) if "arm" in files else None

    def gray(kind: str, channel: int) -> Gray | None:
        if kind in files:
            return _read(files[kind], 1)
        return packed[..., channel] if packed is not None else None

    maps: dict[str, Gray | None] = {
        "basecolor": color,
        "height": gray("height", 0) if "height" in files else None,
    }
    maps |= {
        "roughness": gray("roughness", 1),
        "metallic": gray("metallic", 2),
        "ao": gray("ao", 0),
    }
    if maps["roughness"] is None and "gloss" in files:
        maps["roughness"] = 1.0 - _read(files["gloss"], 1)
    if maps["roughness"] is None:
        raise ValueError("it has no roughness (also: gloss, arm)")
    maps["normal"] = _normal(files, maps["height"], notes)
    return {k: _resized(v, edge) for k, v in maps.items() if v is not None}, "; ".join(notes)


def _normal(files: dict[str, Path], height: Gray | None, notes: list[str]) -> Gray:
    if "normal" in files:
        return _read(files["normal"], 3)
    if "normal_dx" in files:
        normal = _read(files["normal_dx"], 3)
        normal[..., 1] = 1.0 - normal[..., 1]
        notes.append("normal turned from DirectX to OpenGL")
        return normal
    if height is None:
        raise ValueError("it has neither a normal nor a height")
    right, down = central_slopes(height * 0.03 * height.shape[0])
    normal = np.stack([-right, down, np.ones_like(right)], -1)
    notes.append("normal made from height")
    unit: Gray = (normal / np.linalg.norm(normal, axis=-1, keepdims=True) * 0.5 + 0.5).astype(
        np.float32
    )
    return unit


def _read(path: Path, channels: int) -> Gray:
    """Read a picture of 8 or 16 bits as (H, W) or (H, W, 3) in 0..1."""
    with Image.open(path) as picture:
        if picture.mode.startswith("I"):
            values = np.asarray(picture, np.float32) / 65535.0
            return values if channels == 1 else np.repeat(values[..., None], 3, 2)
        return np.asarray(
            picture.convert("L" if channels == 1 else "RGB"), np.float32
        ) / np.float32(255.0)


def _resized(values: Gray, edge: int) -> Gray:
    if values.ndim == 3:
        return np.stack([_resized(values[..., i], edge) for i in range(3)], -1)
    resized: Gray = np.asarray(
        Image.fromarray(values).resize((edge, edge), Image.Resampling.BOX), np.float32
    )
    return resized


def _write_set(folder: Path, maps: dict[str, Gray]) -> None:
    """Write maps as lossless WebP, height as 16-bit PNG."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind, values in maps.items():
        if kind == "height":
            Image.fromarray(from_unit(values, np.uint16, half_to_even=True)).save(
                folder / "height.png"
            )
        else:
            Image.fromarray(from_unit(values, np.uint8, half_to_even=True)).save(
                folder / f"{kind}.webp", lossless=True
            )
