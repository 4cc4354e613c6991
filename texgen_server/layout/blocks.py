# SPDX-License-Identifier: Apache-2.0
"""Blocks of cells that share a preferred origin (novelty) or are re-seeded together (variation).

Local, so that windows match.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from texgen_server.layout.grids import Grid
from texgen_server.layout.hashing import Words, draw, seed_word
from texgen_server.layout.options import LayoutOptions

VARIATION_CELLS = 16
PARTS = 16
"""Centres of blocks are placed in sixteenths of a cell."""
SALT_VARIATION, SALT_DOWN, SALT_RIGHT, SALT_KEY = 21, 22, 23, 24


def seeds(grid: Grid, options: LayoutOptions) -> Words:
    """Give the seed word of each cell of a grid (rows, columns), padding included; re-seeded blocks
    have another one.
    """
    base = seed_word(options.seed)
    y, x = grid.down.wrapped[:, None], grid.right.wrapped[None]
    words = draw(
        seed_word(options.seed, 2), SALT_VARIATION, y // VARIATION_CELLS, x // VARIATION_CELLS
    )
    other = seed_word(options.variation_seed, 3)
    return np.where(words.astype(np.int64) < options.variation_limit, base ^ other, base).astype(
        np.uint32
    )


def block_keys(grid: Grid, edge: int, options: LayoutOptions, words: Words) -> Words:
    """Give each cell the key of the hashed Voronoi block it lies in, (rows, columns) with padding.

    ``edge``: how long blocks are on average, in cells; ``words``: seeds of the cells.
    """
    y, x = grid.down.wrapped.astype(np.int64), grid.right.wrapped.astype(np.int64)
    tall, wide = (1 << 40, 1 << 40) if grid.size is None else grid.size
    rows, columns = (max(1, (size + edge // 2) // edge) for size in (tall, wide))
    endless = grid.size is None
    own_y, own_x = (y // edge, x // edge) if endless else (y * rows // tall, x * columns // wide)
    best = np.full((len(y), len(x)), 1 << 30, np.int32)
    keys = np.zeros((len(y), len(x)), np.uint32)
    for a in (-1, 0, 1):
        for b in (-1, 0, 1):
            j, i = own_y + a, own_x + b
            middle_y = (
                (2 * j + 1) * edge * PARTS // 2
                if endless
                else (2 * j + 1) * tall * PARTS // (2 * rows)
            )
            middle_x = (
                (2 * i + 1) * edge * PARTS // 2
                if endless
                else (2 * i + 1) * wide * PARTS // (2 * columns)
            )
            j, i = (j, i) if endless else (j % rows, i % columns)
            d_y = _distance(
                y,
                middle_y,
                draw(seed_word(options.seed), SALT_DOWN, j[:, None], i[None]),
                edge,
                axis=0,
            )
            d_x = _distance(
                x,
                middle_x,
                draw(seed_word(options.seed), SALT_RIGHT, j[:, None], i[None]),
                edge,
                axis=1,
            )
            far = d_y * d_y + d_x * d_x
            nearer = far < best
            best = np.where(nearer, far, best)
            keys = np.where(nearer, draw(words, SALT_KEY, j[:, None], i[None]), keys)
    return keys


def _distance(
    positions: NDArray[np.int64], middle: NDArray[np.int64], word: Words, edge: int, *, axis: int
) -> NDArray[np.int32]:
    """Distance to a block's centre in sixteenths of a cell; the centre lies up to 0.4 edges from
    the middle of its square.
    """
    reach = PARTS * edge * 4 // 5
    moved = ((word >> np.uint32(16)).astype(np.int32) * reach >> 16) - reach // 2
    straight = (positions * PARTS - middle).astype(np.int32)
    return (straight[:, None] if axis == 0 else straight[None]) - moved
