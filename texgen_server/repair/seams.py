# SPDX-License-Identifier: Apache-2.0
"""Pictures that do not tile -> pictures that do: a strip of the picture itself is laid over the
seam, cut where the two differ least.

All maps are cut along the same lines. One axis after the other: the picture is rolled by half, so
that its seam lies in the middle; a strip from elsewhere is laid over it; the two borders of the
strip are the cheapest paths from edge to edge (Efros & Freeman 2001, Kwatra et al. 2003). Then it
is rolled back. Nothing but the strip's place changes, to the last bit, unless the light falls off
to one side: that is taken away first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from texgen.maps import MapKind, Pixels, from_unit, to_unit

Array = NDArray[np.float32]
Integers = NDArray[np.int64]

STRIP_SHARE = 0.25
"""Width of the strip as a share of the picture's."""
BAND_SHARE = 0.42
"""Width of the band on each side of the strip within which its border may run, as a share of the
strip's.
"""
SEARCH_PX, CHOICE_PX = 256, 512
"""Where strips could come from is searched with the picture shrunk to about the first edge, the
best chosen at the second.
"""
CANDIDATES = 12
FEATHER_SHARE = 1.0 / 300.0
"""Half width of the soft border as a share of the picture's."""
VISIBLE = 3.0
"""A seam shows from this much of `_jump`: of 64 tileable scans (lossy files, both axes) 8 % are
taken for open, of crops of them 66 %.
"""
JUDGED = (MapKind.BASECOLOR, MapKind.NORMAL)
"""Maps that a seam is looked for in, where there are any of them."""
CHANCE = 0.1
"""Share of a picture's variance that a slow drift has by chance: below it the light counts as even.
"""
LIT = (MapKind.BASECOLOR, MapKind.HEIGHT)
"""Maps that a slow drift is taken from."""
MIN_TILING_PX = 16


@dataclass(frozen=True)
class Patch:
    """A strip over a seam between the right and left borders of a picture (H, W)."""

    source: int
    """Column of the picture that the strip starts at."""
    shift: int
    """Rows that it is rolled down by."""
    left: Integers
    right: Integers
    """(H,) columns of the picture, rolled by half its width, between which the strip lies."""
    start: int
    """Column of the rolled picture that the strip starts at."""


def seam_axes(maps: Mapping[MapKind, Pixels]) -> tuple[bool, bool]:
    """Whether a seam shows between the upper and lower borders, and between the left and right
    ones, in any map.
    """
    return _seam_shows(maps, 0), _seam_shows(maps, 1)


def _seam_shows(maps: Mapping[MapKind, Pixels], axis: int) -> bool:
    judged = [p for k, p in maps.items() if k in JUDGED] or list(maps.values())
    return any(_jump(np.moveaxis(pixels, axis, 0)) > VISIBLE for pixels in judged)


def _jump(rows: Pixels) -> float:
    """By how much the gradient between last and first row stands out from those beside it, in units
    of all but a few other rows' own.
    """
    if len(rows) < MIN_TILING_PX:
        return 0.0
    gradients = np.array(
        [np.abs(to_unit(rows[i]) - to_unit(rows[i - 1])).mean() for i in range(len(rows))]
    )
    excess = gradients - (np.roll(gradients, 1) + np.roll(gradients, -1)) * 0.5
    return float(excess[0] / max(float(np.quantile(excess[2:-1], 0.995)), 1e-4))


def make_tileable(maps: Mapping[MapKind, Pixels], axes: tuple[bool, bool]) -> dict[MapKind, Pixels]:
    """Maps (H, W, C) of one size, tiling along the axes that are asked for (down, right)."""
    made = even_light(maps)
    for axis in (1, 0):
        if axes[axis]:
            turned = {k: _turned(p, axis) for k, p in made.items()}
            closed = (
                axis == 0 or not axes[0]
            )  # whether the other axis tiles already, so that the strip's borders must close too
            patch = find_patch(turned, closed=closed)
            laid = {k: lay_patch(p, patch, unit=k is MapKind.NORMAL) for k, p in turned.items()}
            made = {k: _turned(p, axis) for k, p in laid.items()}
    return made


def _turned(pixels: Pixels, axis: int) -> Pixels:
    """Rows for columns where the axis is that of the rows; undoes itself."""
    turned: Pixels = pixels if axis == 1 else np.ascontiguousarray(pixels.transpose(1, 0, 2))  # type: ignore[assignment]
    return turned


def even_light(maps: Mapping[MapKind, Pixels]) -> dict[MapKind, Pixels]:
    """Colour and height without a slow drift from one side to the other, as a lamp leaves it; the
    others as they are.
    """
    return {k: _even(p) if k in LIT else p for k, p in maps.items()}


def _even(pixels: Pixels) -> Pixels:
    """Takes a second-degree surface away where it explains more than `CHANCE` of the picture."""
    unit = to_unit(pixels)
    grey = unit[..., :3].mean(2)
    y, x = (np.linspace(-1.0, 1.0, n, dtype=np.float32) for n in grey.shape)
    rows, columns = (np.stack([np.ones_like(t), t, t * t - np.float32(1.0 / 3.0)]) for t in (y, x))
    kept = [(i, j) for i in range(3) for j in range(3) if 0 < i + j <= 2]
    surface = np.zeros_like(grey)
    for i, j in kept:
        basis = np.outer(rows[i], columns[j])
        surface += basis * (float((grey * basis).sum()) / float((basis * basis).sum()))
    share = float(surface.var() / max(1e-9, float(grey.var())))
    if share < CHANCE:
        return pixels
    unit[..., :3] -= surface[..., None]
    return from_unit(unit, pixels.dtype)


def _weights(maps: Mapping[MapKind, Pixels]) -> dict[MapKind, float]:
    """What a difference in each map counts: in units of its deviation; relief half of it."""
    deviations = {
        kind: max(float(to_unit(pixels[..., :3]).std()), 0.02) for kind, pixels in maps.items()
    }
    return {
        kind: (0.5 if kind is MapKind.NORMAL else 1.0) / deviation
        for kind, deviation in deviations.items()
    }


def find_patch(maps: Mapping[MapKind, Pixels], *, closed: bool) -> Patch:
    """The best strip over the seam between the last and the first column: chosen with the picture
    shrunk, then fitted at full size.

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
    """Of (H, W, C)."""
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
    """Of a picture's strip: its width, the width of its bands, and the column of the rolled picture
    that it starts at.
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
    """A patch of the picture shrunk by ``step``, moved to the best place near by at full size, and
    cut there.
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
    """(H / every, band) squared difference between the strip and what it is laid on, in the band at
    an offset from the strip's left border.
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
    """(source, shift) of the strips whose bands differ least from what they are laid on."""
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


def cheapest_path(costs: Array, *, closed: bool) -> tuple[Integers, float]:
    """Columns (H,) of the path from the first row to the last of least total cost (H, W), at most
    one column aside a row; and its cost.

    ``closed``: the last row's column is at most one aside of the first row's.
    """
    if not closed:
        return _path(costs)
    middle = int(_path(np.concatenate([costs, costs]))[0][len(costs)])
    fixed = costs.copy()
    fixed[0] = np.inf
    fixed[0, middle] = costs[0, middle]
    allowed = np.abs(np.arange(costs.shape[1]) - middle) <= 1
    fixed[-1, ~allowed] = np.inf
    return _path(fixed)


def _path(costs: Array) -> tuple[Integers, float]:
    total = costs.astype(np.float64)
    edge = np.full(1, np.inf)
    for row in range(1, len(total)):
        above = total[row - 1]
        total[row] += np.minimum(
            np.minimum(np.concatenate([edge, above[:-1]]), above), np.concatenate([above[1:], edge])
        )
    path = np.empty(len(total), np.int64)
    path[-1] = total[-1].argmin()
    for row in range(len(total) - 2, -1, -1):
        low = max(0, path[row + 1] - 1)
        path[row] = low + total[row, low : path[row + 1] + 2].argmin()
    return path, float(total[-1].min())


def lay_patch(pixels: Pixels, patch: Patch, *, unit: bool) -> Pixels:
    """The strip on one map (H, W, C); ``unit``: its samples are unit vectors and stay so."""
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
    """Samples rounded to the type of others."""
    rounded: Pixels = np.floor(samples + np.float32(0.5)).astype(pixels.dtype)
    return rounded


def _unit_samples(samples: Array, top: float) -> Array:
    vectors = samples / np.float32(top) * 2.0 - 1.0
    vectors /= np.maximum(np.sqrt((vectors * vectors).sum(2, keepdims=True)), 1e-6)
    whole: Array = (vectors * 0.5 + 0.5) * np.float32(top)
    return whole
