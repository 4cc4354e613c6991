# SPDX-License-Identifier: Apache-2.0
"""Finds and judges the joints of an exemplar: a thin network that separates bricks, stones or
boards. Done when the bank is built.

A wrong mask breaks parts to pieces, so a mask is used only if it leaves many closed parts; of grass
or plaster it never does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from texgen_server.layout.components import label_torus
from texgen_server.layout.rules import Rule

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

CELL_PX = 8
FINE_PX, COARSE_PX = 1.5, 40.0
"""Deviations of the blurs between which joints lie, on a grid of about 512 px."""
FARTHEST_PX = 96
"""Distances to joints are told apart up to here, on a grid of about 512 px."""
SMALLEST_PART = 0.0006
"""Smallest part that counts, as a share of the tile."""
LEAST_PARTS, LARGEST_PART, LEAST_COVER = 6, 0.25, 0.55
WIDEST_SHARE, THINNEST_SHARE = 0.45, 0.03
THICK_PX = 8
"""A joint wider than twice this is no joint, on a grid of about 512 px."""
DEEP_PX = 32
"""Distance from a joint beyond which the visibility of a join is constant, on a grid of about 512
px.
"""
LIMIT = 600


@dataclass(frozen=True)
class Joints:
    """A mask of joints (H, W) in pixels that passed, and how sure it is."""

    mask: Mask
    source: str
    score: float
    """Share of the tile that lies in closed parts of sensible size, in [0, 1]."""


def find_joints(fields: dict[str, Floats], least: float = LEAST_COVER) -> Joints | None:
    """Find the network of joints in one of the ``fields`` (H, W), periodic; dark lines or bright
    ones. None if none is convincing.
    """
    best: Joints | None = None
    for name, field in fields.items():
        if float(field.std()) < 0.01:
            continue
        scale = min(field.shape) / 512.0
        narrow = _gaussian(field, FINE_PX * scale) - _gaussian(field, COARSE_PX * scale)
        for sign, values in (("-", narrow), ("+", -narrow)):
            if name == "height" and sign == "+":
                continue
            mask = values < _otsu(values)
            score = network_score(mask)
            if score >= least and (best is None or score > best.score):
                best = Joints(mask, name + sign, score)
    return best


def network_score(mask: Mask) -> float:
    """Judge a mask: the share of the tile in closed parts of sensible size, or 0 if it is too
    thick, too thin, or leaves too few.

    What of the mask is as thick as a part counts against it.
    """
    share = float(mask.mean())
    if not THINNEST_SHARE <= share <= WIDEST_SHARE:
        return 0.0
    labels = label_torus(~mask)
    sizes = np.bincount(labels[~mask].ravel(), minlength=1) / mask.size
    parts = sizes[(sizes >= SMALLEST_PART) & (sizes <= LARGEST_PART)]
    if len(parts) < LEAST_PARTS:
        return 0.0
    thick = _eroded(mask, round(THICK_PX * min(mask.shape) / 512)).mean() / share
    return float(parts.sum()) / (1.0 - share) * max(0.0, 1.0 - 5.0 * float(thick))


def _eroded(mask: Mask, times: int) -> Mask:
    """Erode a mask so many times, on the torus."""
    for _ in range(times):
        for axis in (0, 1):
            mask = mask & np.roll(mask, 1, axis) & np.roll(mask, -1, axis)
    return mask


def joint_features(mask: Mask, rule: Rule, wanted_square: float) -> NDArray[np.int16]:
    """Distances to the joints before and after each cell, (rows, columns, k) whole numbers.

    Along the courses only where the rule has courses, else in all four directions. Their squares
    sum to ``wanted_square`` a cell on average, which is how much they weigh beside the latents.
    """
    axes = {"y": (1,), "x": (0,)}.get(rule.row_axis, (0, 1))
    cap = FARTHEST_PX * min(mask.shape) / 512.0
    found = [np.sqrt(run / cap) for axis in axes for run in _runs(mask, axis, cap)]
    cells = np.stack([_cell_means(f) for f in found], -1)
    cells -= cells.mean((0, 1))
    strength = np.sqrt(wanted_square / max(float((cells * cells).sum(-1).mean()), 1e-9))
    out: NDArray[np.int16] = np.clip(np.rint(cells * strength), -LIMIT, LIMIT).astype(np.int16)
    return out


def cut_costs(mask: Mask) -> NDArray[np.uint8]:
    """Compute the visibility of a join through each cell: 0 in a joint, rising with the distance to
    one, 255 deep inside a part; (rows, columns).
    """
    reach = max(1, round(DEEP_PX * min(mask.shape) / 512))
    depth, outside = np.zeros(mask.shape, np.float32), mask
    for _ in range(reach):
        depth += ~outside
        outside = ~_eroded(~outside, 1)
    out: NDArray[np.uint8] = np.rint(_cell_means(depth) * (255.0 / reach)).astype(np.uint8)
    return out


def _cell_means(values: NDArray[np.generic]) -> Floats:
    rows, columns = values.shape[0] // CELL_PX, values.shape[1] // CELL_PX
    out: Floats = values.reshape(rows, CELL_PX, columns, CELL_PX).mean((1, 3)).astype(np.float32)
    return out


def _runs(mask: Mask, axis: int, cap: float) -> list[Floats]:
    """Measure the distance in pixels to the joint before and to the one after, along an axis of the
    torus, at most ``cap``.
    """
    lines = np.moveaxis(mask, axis, 0)
    size, out = len(lines), []
    for step in (1, -1):
        run = np.full(lines.shape[1:], cap, np.float32)
        found = np.zeros(lines.shape, np.float32)
        for t in range(2 * size):
            i = step * t % size
            run = np.where(lines[i], 0.0, np.minimum(run + 1.0, cap)).astype(np.float32)
            found[i] = run
        out.append(np.moveaxis(found, 0, axis))
    return out


def _gaussian(field: Floats, deviation: float) -> Floats:
    """Blur on the torus."""
    spectrum = np.fft.rfft2(field)
    y, x = np.fft.fftfreq(field.shape[0])[:, None], np.fft.rfftfreq(field.shape[1])[None]
    spectrum *= np.exp(-2.0 * (np.pi * deviation) ** 2 * (y * y + x * x))
    return np.fft.irfft2(spectrum, s=field.shape).astype(np.float32)


def _otsu(values: Floats) -> float:
    """The threshold that parts values into the two most different classes."""
    ordered = np.sort(values.ravel())
    sums, n = np.cumsum(ordered, dtype=np.float64), len(ordered)
    k = np.arange(1, n)
    between = k * (n - k) * (sums[:-1] / k - (sums[-1] - sums[:-1]) / (n - k)) ** 2
    return float(ordered[between.argmax()])
