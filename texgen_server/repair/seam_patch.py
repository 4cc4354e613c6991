# SPDX-License-Identifier: Apache-2.0
"""A strip of a picture laid over its seam: found, cut along the cheapest paths, and blended.

The picture is rolled by half, so that its seam lies in the middle; the two borders of the strip are
the cheapest paths from edge to edge (Efros & Freeman 2001, Kwatra et al. 2003).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from texgen.maps import MapKind, Pixels, to_unit
from texgen_server.repair.cheapest_path import cheapest_path

Array = NDArray[np.float32]
Integers = NDArray[np.int64]

STRIP_SHARE = 0.25
"""Width of the strip as a share of the picture's."""
BAND_SHARE = 0.42
"""Width of the band on each side of the strip within which its border may run, as a share of the
strip's.
"""
SEARCH_PX, CHOICE_PX = 256, 512
"""Edges of the shrunk pictures in which candidates are searched, and in which the best is chosen.
"""
CANDIDATES = 12
FEATHER_SHARE = 1.0 / 300.0
"""Half width of the soft border as a share of the picture's."""


@dataclass(frozen=True)
class Patch:
    """A strip over a seam between the right and left borders of a picture (H, W)."""

    source: int
    """Column of the picture that the strip starts at."""
    shift: int
    """Rows by which it is rolled down."""
    left: Integers
    right: Integers
    """Columns (H,) of the picture, rolled by half its width, between which the strip lies."""
    start: int
    """Column of the rolled picture that the strip starts at."""


def _weights(maps: Mapping[MapKind, Pixels]) -> dict[MapKind, float]:
    """Return the weight of a difference in each map: the inverse of its deviation; half of it for
    relief.
    """
    deviations = {
        kind: max(float(to_unit(pixels[..., :3]).std()), 0.02) for kind, pixels in maps.items()
    }
    return {
        kind: (0.5 if kind is MapKind.NORMAL else 1.0) / deviation
        for kind, deviation in deviations.items()
    }


def find_patch(maps: Mapping[MapKind, Pixels], *, closed: bool) -> Patch:
    """Find the best strip over the seam between the last and the first column: chosen with the
    picture shrunk, then fitted at full size.

    ``closed``: the rows tile already, so the strip may be rolled down, and its borders close.
    """
    step = max(1, min(next(iter(maps.values())).shape[:2]) // CHOICE_PX)
    small = {kind: _shrunk(to_unit(pixels[..., :3]), step) for kind, pixels in maps.items()}
    weights = _weights(maps)
    patch = _best_patch(
        np.concatenate([small[kind] * np.float32(weights[kind]) for kind in maps], 2), closed=closed
    )
    return patch if step == 1 else _fitted(maps, weights, patch, step, closed=closed)


def _best_patch(stack: Array, *, closed: bool) -> Patch:
    """Find the best patch of weighted maps (H, W, C)."""
    width = stack.shape[1]
    strip, band, start = _widths(width)
    rolled = np.roll(stack, width // 2, 1)
    best: tuple[float, Patch] | None = None
    for source, shift in _candidates(stack, strip, band, closed=closed):
        laid = np.roll(stack[:, source : source + strip], shift, 0)
        costs = ((rolled[:, start : start + strip] - laid) ** 2).sum(2)
        left, left_cost = cheapest_path(costs[:, :band], closed=closed)
        right, right_cost = cheapest_path(costs[:, -band:], closed=closed)
        if best is None or left_cost + right_cost < best[0]:
            best = (
                left_cost + right_cost,
                Patch(source, shift, start + left, start + strip - band + right, start),
            )
    assert best is not None
    return best[1]


def _widths(width: int) -> tuple[int, int, int]:
    """Return the width of a picture's strip, the width of its bands, and the column of the rolled
    picture that it starts at.
    """
    strip = max(4, round(width * STRIP_SHARE))
    return strip, max(1, round(strip * BAND_SHARE)), width // 2 - strip // 2


def _fitted(
    maps: Mapping[MapKind, Pixels],
    weights: dict[MapKind, float],
    coarse: Patch,
    step: int,
    *,
    closed: bool,
) -> Patch:
    """Move a patch of the picture shrunk by ``step`` to the best place near by at full size, and
    cut it there.
    """
    width = next(iter(maps.values())).shape[1]
    strip, band, start = _widths(width)
    sides = (0, strip - band)
    source, shift = min(coarse.source * step, width - strip), coarse.shift * step

    def difference(place: tuple[int, int]) -> float:
        return sum(float(_costs(maps, weights, *place, side, 2 * step).sum()) for side in sides)

    reach = step
    while reach := reach // 2:
        near = [
            (source + i * reach, shift + j * reach)
            for i in (-1, 0, 1)
            for j in ((-1, 0, 1) if closed else (0,))
        ]
        source, shift = min(
            (place for place in near if 0 <= place[0] <= width - strip), key=difference
        )
    left, right = (
        cheapest_path(_costs(maps, weights, source, shift, side, 1), closed=closed)[0]
        for side in sides
    )
    return Patch(source, shift, start + left, start + strip - band + right, start)


def _costs(
    maps: Mapping[MapKind, Pixels],
    weights: dict[MapKind, float],
    source: int,
    shift: int,
    side: int,
    every: int,
) -> Array:
    """Return (H / every, band) squared difference between the strip and the picture below it, in
    the band that starts ``side`` columns right of the strip's left border, every few rows.
    """
    height, width = next(iter(maps.values())).shape[:2]
    _, band, start = _widths(width)
    rows, columns = np.arange(0, height, every), side + np.arange(band)
    under = np.ix_(rows, (start + columns - width // 2) % width)
    over = np.ix_((rows - shift) % height, source + columns)
    total = np.zeros((len(rows), band), np.float32)
    for kind, pixels in maps.items():
        difference = to_unit(pixels[under][..., :3]) - to_unit(pixels[over][..., :3])
        total += (difference * difference).sum(2) * np.float32(weights[kind] ** 2)
    return total


def _candidates(stack: Array, strip: int, band: int, *, closed: bool) -> list[tuple[int, int]]:
    """Return (source, shift) of the strips whose bands differ least from the picture below them."""
    step = max(1, min(stack.shape[:2]) // SEARCH_PX)
    small = _shrunk(stack, step)
    height, width = small.shape[:2]
    strip, band = max(3, strip // step), max(1, band // step)
    start = width // 2 - strip // 2
    rolled = np.roll(small, width // 2, 1)
    under = np.concatenate(
        [rolled[:, start : start + band], rolled[:, start + strip - band : start + strip]], 1
    )
    spectrum = np.conj(np.fft.rfft(under, axis=0)) if closed else None
    scores: list[tuple[float, int, int]] = []
    for source in range(width - strip + 1):
        over = np.concatenate(
            [small[:, source : source + band], small[:, source + strip - band : source + strip]], 1
        )
        if spectrum is None:
            scores.append((float(((over - under) ** 2).sum()), source, 0))
            continue
        products = np.fft.irfft((np.fft.rfft(over, axis=0) * spectrum).sum((1, 2)), n=height)
        place = int(products.argmax())  # the strip's row that comes to lie on row 0
        scores.append((float((over**2).sum() - 2.0 * products[place]), source, -place))
    chosen: list[tuple[int, int]] = []
    for _, source, shift in sorted(scores):
        if all(abs(source - other) > 1 for other, _ in chosen):
            chosen.append((source, shift))
        if len(chosen) == CANDIDATES:
            break
    most = stack.shape[1] - _widths(stack.shape[1])[0]
    return [(min(source * step, most), shift * step) for source, shift in chosen]


def _shrunk(stack: Array, step: int) -> Array:
    height, width = (n // step * step for n in stack.shape[:2])
    cut = stack[:height, :width].reshape(height // step, step, width // step, step, -1)
    small: Array = cut.mean((1, 3))
    return small


def lay_patch(pixels: Pixels, patch: Patch, *, unit: bool) -> Pixels:
    """Lay the strip on one map (H, W, C); ``unit``: its samples are unit vectors and stay so."""
    width = pixels.shape[1]
    out = np.roll(pixels, width // 2, 1)
    strip = _widths(width)[0]
    area = np.s_[:, patch.start : patch.start + strip]
    laid = np.roll(pixels[:, patch.source : patch.source + strip], patch.shift, 0)
    feather = max(0.75, width * FEATHER_SHARE)
    places = np.arange(patch.start, patch.start + strip)[None]
    inside = (
        np.minimum(places - patch.left[:, None] + 0.5, patch.right[:, None] - places + 0.5)
        / feather
    )
    share = np.clip(0.5 + 0.5 * inside, 0.0, 1.0).astype(np.float32)[..., None]
    mixed = out[area].astype(np.float32) * (1.0 - share) + laid.astype(np.float32) * share
    if unit:
        mixed = _unit_samples(mixed, 255.0 if pixels.dtype == np.uint8 else 65535.0)
    out[area] = np.where(share <= 0.0, out[area], np.where(share >= 1.0, laid, _as(pixels, mixed)))
    back: Pixels = np.ascontiguousarray(np.roll(out, -(width // 2), 1))  # type: ignore[assignment]
    return back


def _as(pixels: Pixels, samples: Array) -> Pixels:
    """Round samples to the type of others."""
    rounded: Pixels = np.floor(samples + np.float32(0.5)).astype(pixels.dtype)
    return rounded


def _unit_samples(samples: Array, top: float) -> Array:
    vectors = samples / np.float32(top) * 2.0 - 1.0
    vectors /= np.maximum(np.sqrt((vectors * vectors).sum(2, keepdims=True)), 1e-6)
    whole: Array = (vectors * 0.5 + 0.5) * np.float32(top)
    return whole
