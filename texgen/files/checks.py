# SPDX-License-Identifier: Apache-2.0
"""Checks texture files: tiling, ranges of values, direction of green, limits of engines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import Image

from texgen.export.packing import file_name
from texgen.export.preset import Preset
from texgen.files.images import srgb_to_linear
from texgen.files.picture import PictureFile
from texgen.inputs.normals import measure_direction
from texgen.maps import Pixels, to_unit

MIN_TILEABILITY = 0.7
USUAL_SHARE = 0.99
"""Quantile of the edges with which a seam is compared."""
MIN_ALBEDO, MAX_ALBEDO = 0.02, 0.95
"""Usual limits of the mean basecolor, linear: coal and fresh snow."""
MAX_PARTLY_METAL = 0.25
"""Largest usual share of pixels between metal and non-metal."""
MAX_LENGTH_ERROR = 0.05
"""Mean deviation from length 1 that rounding and compression do not explain."""
CONVENTIONS = {"gl": "OpenGL", "dx": "DirectX", "": "unclear"}
"""Measured green direction -> its name for people."""
FEW_LEVELS = 256
"""Levels that a map of 8 bits can have at most."""
Facts: TypeAlias = dict[str, str | float | bool]
"""Measured values of a file, by name."""


@dataclass
class Report:
    """The measurements and problems of one file."""

    path: Path
    kind: str
    size_px: tuple[int, int] = (0, 0)
    channels: int = 0
    bit_depth: int = 0
    tileability: float = 1.0
    facts: Facts = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    """Problems that should be corrected."""


def check_picture(
    kind: str, picture: PictureFile, min_tileability: float = MIN_TILEABILITY
) -> Report:
    """Measure a map; ``kind`` is its role (see `texgen.inputs.conventions`), or empty."""
    pixels = picture.pixels
    report = Report(
        picture.path,
        kind,
        (pixels.shape[1], pixels.shape[0]),
        pixels.shape[2],
        pixels.dtype.itemsize * 8,
    )
    report.tileability = round(tileability(pixels), 3)
    if report.tileability < min_tileability:
        report.problems.append(
            f"a seam shows (tileability {report.tileability:.2f} of {min_tileability:.2f})"
        )
    if any(edge & (edge - 1) for edge in report.size_px):
        report.facts["power_of_two"] = False
    if any(edge % 4 for edge in report.size_px):
        report.problems.append(
            f"{report.size_px[0]} x {report.size_px[1]} px are no multiples of 4: engines "
            f"cannot compress it"
        )
    report.problems += _CHECKS.get(kind, _no_check)(pixels, report.facts)
    return report


def check_set(reports: Mapping[str, Report]) -> list[str]:
    """Return the problems between the maps of one set."""
    problems = []
    if len({r.size_px for r in reports.values()}) > 1:
        problems.append(
            "sizes differ: "
            + ", ".join(f"{kind} {r.size_px[0]} x {r.size_px[1]}" for kind, r in reports.items())
        )
    for kind, wanted in (
        ("normal", "DirectX"),
        ("normal_gl", "DirectX"),
        ("normal_dx", "OpenGL"),
    ):
        if kind in reports and reports[kind].facts.get("convention") == wanted:
            problems.append(
                f"{reports[kind].path.name} looks like {wanted}, its name says otherwise: flip "
                f"green, or rename it"
            )
    return problems


def check_preset(stem: str, folder: Path, preset: Preset) -> Iterator[str]:
    """Yield files of a preset that are missing or have another depth or number of channels.

    Only names and headers are read.
    """
    for layout in preset.files:
        path = folder / file_name(layout, stem)
        if not path.is_file():
            yield f"{path.name} is missing"
            continue
        if layout.format in ("exr", "ktx2"):
            continue
        with Image.open(path) as picture:
            deep = picture.mode.startswith("I") or "16" in str(
                picture.tile[0].args if picture.tile else ""
            )
            bands, srgb = len(picture.getbands()), "srgb" in picture.info
        if deep != (layout.bit_depth == 16):
            yield f"{path.name} has {16 if deep else 8} bits, the preset needs {layout.bit_depth}"
        if bands != len(layout.channels):
            yield f"{path.name} has {bands} channels, the preset needs {len(layout.channels)}"
        if srgb and layout.color_space == "data":
            yield f"{path.name} holds data but is marked as sRGB"


def tileability(pixels: Pixels) -> float:
    """Return the tileability of the worse axis, 0 to 1. 1: the seam is no stronger than the edges
    inside the picture; 0.5: twice as strong as its strongest edges.
    """
    worst = 1.0
    unit = to_unit(pixels)
    for axis in (0, 1):
        steps = np.abs(unit - np.roll(unit, 1, axis)).mean(
            tuple(a for a in range(unit.ndim) if a != axis)
        )
        inside = float(np.quantile(steps[1:], USUAL_SHARE)) if len(steps) > 1 else 0.0
        if steps[0] > inside:
            worst = min(worst, inside / float(steps[0]))
    return worst


def _no_check(_pixels: Pixels, _facts: Facts) -> list[str]:
    return []


def _check_basecolor(pixels: Pixels, facts: Facts) -> list[str]:
    linear = float(srgb_to_linear(to_unit(pixels[..., :3])).mean())
    facts["mean_albedo"] = round(linear, 4)
    if linear < MIN_ALBEDO:
        return [f"mean albedo {linear:.3f} is darker than coal: is it a basecolor, in sRGB?"]
    return (
        [f"mean albedo {linear:.3f} is brighter than fresh snow: is light baked in?"]
        if linear > MAX_ALBEDO
        else []
    )


def _check_metallic(pixels: Pixels, facts: Facts) -> list[str]:
    unit = to_unit(pixels[..., :1])
    between = float(((unit > 0.2) & (unit < 0.8)).mean())
    facts["neither_metal_nor_not"] = round(between, 4)
    return (
        [f"{100 * between:.0f} % of the metallic map are neither metal nor not"]
        if between > MAX_PARTLY_METAL
        else []
    )


def _check_normal(pixels: Pixels, facts: Facts) -> list[str]:
    if pixels.shape[2] < 3:
        return ["a normal map has three channels"]
    normal = to_unit(pixels[..., :3]) * 2.0 - 1.0
    length = np.sqrt((normal * normal).sum(2))
    length_error = float(np.abs(length - 1.0).mean())
    direction = measure_direction(pixels)
    facts |= {
        "mean_length_error": round(length_error, 4),
        "convention": CONVENTIONS[direction.green],
        "integrability": round(direction.integrability, 3),
    }
    problems = (
        [f"normals are not of length 1 (off by {length_error:.2f} on average): saved as sRGB?"]
        if length_error > MAX_LENGTH_ERROR
        else []
    )
    below = float((normal[..., 2] < 0).mean())
    return problems + (
        [f"{100 * below:.1f} % of the normals point into the surface"] if below > 0.001 else []
    )


def _check_height(pixels: Pixels, facts: Facts) -> list[str]:
    levels = len(np.unique(pixels[..., 0]))
    facts["levels"] = levels
    if pixels.dtype == np.uint8:
        return ["8 bits are too few for a height: steps will show"]
    return (
        [f"only {levels} levels in 16 bits: it was made from 8"] if 1 < levels <= FEW_LEVELS else []
    )


_CHECKS = {
    "basecolor": _check_basecolor,
    "metallic": _check_metallic,
    "normal": _check_normal,
    "normal_dx": _check_normal,
    "height": _check_height,
}
