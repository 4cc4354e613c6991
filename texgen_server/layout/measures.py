# SPDX-License-Identifier: Apache-2.0
"""Measures a finished index map on a torus: how well joins match, how much is copied in one piece,
what is repeated nearby.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from texgen_server.layout.analysis import Analysis
from texgen_server.layout.appearance import AROUND, gather_wanted
from texgen_server.layout.components import components

Integers = NDArray[np.int32]

TWIN_SHARE = 0.12
"""Two places are twins when moving the exemplar by their distance changes it by less than this
share of what a random move does.
"""
BRIDGED = 3
"""Cells apart that still count as one patch: gaps of two cells are closed."""


@dataclass(frozen=True)
class LayoutFigures:
    """Figures of an index map: shares of its cells, energies relative to the exemplar's mean."""

    join_energy: float
    most_used_offset: float
    largest_patch: float
    joins: float
    """Share of neighbouring cells that do not continue each other."""
    duplicates: float
    """Share of cells whose place stands a second time within a third of the exemplar's edge."""


def measure(analysis: Analysis, placed: Integers) -> LayoutFigures:
    """Measure an index map (rows, columns, 2) on a torus."""
    shape = analysis.cells.shape
    rows, columns = placed.shape[:2]
    standing = np.stack(np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij"), -1)
    offsets = (placed - standing) % np.asarray(shape)
    twins = twin_offsets(analysis)
    joins = [
        (np.roll(placed, -1, axis) - placed - step) % shape
        for axis, step in ((0, (1, 0)), (1, (0, 1)))
    ]
    return LayoutFigures(
        join_energy=join_energy(analysis, placed),
        most_used_offset=most_used_offset(offsets, shape, twins),
        largest_patch=largest_patch(placed, shape, twins),
        joins=float(np.mean([(j != 0).any(-1) for j in joins])),
        duplicates=duplicates(placed, shape),
    )


def join_energy(analysis: Analysis, placed: Integers) -> float:
    """Compute the mean squared distance of the neighbours' shares from each cell's wanted sum, over
    the exemplar's mean energy.
    """
    at = analysis.levels[-1]
    places = placed[..., 0].astype(np.intp) * analysis.cells.shape[1] + placed[..., 1]
    around = np.stack([np.roll(places, (-a, -b), (0, 1)).ravel() for a, b in AROUND])
    apart = gather_wanted(at.level.shares, around) - at.level.wanted[places.ravel()]
    return float((apart * apart).sum(1).mean()) / at.level.mean_energy


def twin_offsets(analysis: Analysis) -> Integers:
    """List offsets (k, 2), (0, 0) among them, under which the exemplar hardly changes."""
    rows, columns = analysis.cells.shape
    field = analysis.cells.latents.astype(np.float64)
    spectrum = np.fft.rfft2(field - field.mean((0, 1)), axes=(0, 1))
    likeness = np.fft.irfft2((np.abs(spectrum) ** 2).sum(-1), s=(rows, columns))
    alike = likeness >= (1.0 - TWIN_SHARE) * likeness[0, 0]
    alike[0, 0] = True
    return np.argwhere(alike).astype(np.int32)


def most_used_offset(offsets: NDArray[np.int64], shape: tuple[int, int], twins: Integers) -> float:
    """Compute the share of cells with the most frequent offset, twins counted as one."""
    counts = np.zeros(shape, np.int64)
    np.add.at(counts, (offsets[..., 0], offsets[..., 1]), 1)
    together = sum(np.roll(counts, (-int(y), -int(x)), (0, 1)) for y, x in twins)
    return float(np.max(together)) / float(counts.sum())


def largest_patch(placed: Integers, shape: tuple[int, int], twins: Integers) -> float:
    """Compute the share of cells in the largest connected patch from one place: twins and offsets
    within one cell merged, small gaps closed.
    """
    same = np.zeros(shape, np.bool_)
    for a in (-1, 0, 1):
        for b in (-1, 0, 1):
            same[(twins[:, 0] + a) % shape[0], (twins[:, 1] + b) % shape[1]] = True
    count = placed.shape[0] * placed.shape[1]
    index = np.arange(count).reshape(placed.shape[:2])
    links = []
    for axis in (0, 1):
        for far in range(1, BRIDGED + 1):
            step = np.asarray([far, 0] if axis == 0 else [0, far])
            apart = (np.roll(placed, -far, axis) - placed - step) % np.asarray(shape)
            joined = same[apart[..., 0], apart[..., 1]]
            links.append(np.stack([index[joined], np.roll(index, -far, axis)[joined]], 1))
    labels = components(count, np.concatenate(links))
    return float(np.bincount(labels).max() / count)


def duplicates(placed: Integers, shape: tuple[int, int]) -> float:
    """Compute the share of cells whose place stands a second time within a third of the exemplar's
    edge.
    """
    rows, columns = placed.shape[:2]
    reach_y, reach_x = min(shape[0] // 3, rows - 1), min(shape[1] // 3, columns - 1)
    code = placed[..., 0].astype(np.int64) * shape[1] + placed[..., 1]
    tall = np.tile(code, (2, 3))[: rows + reach_y, columns - reach_x : 2 * columns + reach_x]
    found = np.zeros(code.shape, np.bool_)
    for a in range(reach_y + 1):
        for b in range(-reach_x, reach_x + 1):
            if (a, b) > (0, 0):
                same = code == tall[a : a + rows, b + reach_x : b + reach_x + columns]
                found |= same | np.roll(same, (a, b), (0, 1))
    return float(found.mean())
