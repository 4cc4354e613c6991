# SPDX-License-Identifier: Apache-2.0
"""Coarse-to-fine synthesis of index maps: upsample offsets, jump by hash, correct in sub-passes (after Lefebvre and Hoppe 2005, 2006).

The state is an offset for each cell: where it comes from in the exemplar, minus where it stands, modulo the exemplar. Neighbours with the same
offset continue each other. All arithmetic is on whole numbers; a tie goes to the first candidate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from texgen_server.layout.analysis import AnalysedLevel, Analysis
from texgen_server.layout.appearance import AROUND, gather_wanted
from texgen_server.layout.blocks import block_keys, seeds
from texgen_server.layout.grids import PAD, Axis, Grid, parents
from texgen_server.layout.hashing import Words, below, draw, scramble
from texgen_server.layout.lookalikes import COUNT
from texgen_server.layout.order import Order
from texgen_server.layout.penalties import WIDE_RING, join_cost, repeat_cost
from texgen_server.layout.rules import Family
from texgen_server.layout.weights import Weights

Integers = NDArray[np.int32]

HERE = (*AROUND, (0, 0))
"""Where candidates come from: the neighbours and the cell itself."""
SALT_START, SALT_JUMP, SALT_WHICH, SALT_SIDE = 1, 2, 3, 4
JUMPS = {16: 26000, 8: 26000, 4: 10000}
"""At each spacing, how many cells in 65536 jump to a look-alike before they are corrected."""


@dataclass
class State:
    """Offsets of the cells of one level, padding included, and the places in the exemplar that they lead to."""

    down: Integers
    right: Integers
    place: NDArray[np.intp]


class LevelWork:
    """One level of one layout."""

    def __init__(self, analysis: Analysis, at: AnalysedLevel, grid: Grid, order: Order, weights: Weights) -> None:
        self.analysis, self.at, self.grid, self.order, self.weights = analysis, at, grid, order, weights
        self.rows, self.columns = analysis.cells.shape
        self.down_mod = (grid.down.positions % self.rows).astype(np.int32)
        self.right_mod = (grid.right.positions % self.columns).astype(np.int32)
        self.words = seeds(grid, order)
        self.strength = order.novelty_steps * analysis.cells.novelty_scale >> 5
        self.preference = at.level.mean_energy * weights.preference * self.strength >> 16 if at.level.spacing <= 8 else 0
        edge = block_edge(analysis)
        self.keys = block_keys(grid, edge, order, self.words) if self.preference else self.words
        self.coarse = 2 * grid.spacing >= analysis.levels[0].level.spacing

    def run(self, state: State | None, before: Grid | None) -> State:
        """Start or refine, then correct."""
        if state is None or before is None:
            state = self._start()
        else:
            state = self._jump(self._refine(state, before))
        for number in range(self.weights.corrections):
            for i in (0, 1):
                for j in (0, 1):
                    self._correct(state, i, j, number * 4 + i * 2 + j)
                    self._wrap(state)
        return state

    def _places(self, down: Integers, right: Integers) -> NDArray[np.intp]:
        return self._place_at(down, right, self.down_mod[:, None], self.right_mod[None])

    def _place_at(self, down: Integers, right: Integers, y_mod: Integers, x_mod: Integers) -> NDArray[np.intp]:
        y, x = down + y_mod, right + x_mod
        y -= (y >= self.rows) * np.int32(self.rows)
        x -= (x >= self.columns) * np.int32(self.columns)
        return (y * self.columns + x).astype(np.intp)

    def _start(self) -> State:
        y, x = self.grid.down.wrapped[:, None], self.grid.right.wrapped[None]
        drawn = self.analysis.offsets[below(draw(self.words, SALT_START, y, x), len(self.analysis.offsets))]
        state = State(drawn[..., 0].copy(), drawn[..., 1].copy(), np.zeros(drawn.shape[:2], np.intp))
        state.place = self._places(state.down, state.right)
        self._wrap(state)
        return state

    def _refine(self, state: State, before: Grid) -> State:
        index = np.ix_(parents(self.grid.down, before.down), parents(self.grid.right, before.right))
        down, right = state.down[index], state.right[index]
        return State(down, right, self._places(down, right))

    def _jump(self, state: State) -> State:
        chance = JUMPS.get(self.grid.spacing, 0)
        if chance == 0 or self.analysis.cells.rule.family is Family.FIGURE:
            return state
        word = draw(self.words, SALT_JUMP + 16 * self.grid.spacing, self.grid.down.wrapped[:, None], self.grid.right.wrapped[None])
        row = state.place * COUNT + (word & np.uint32(COUNT - 1)).astype(np.intp)
        jumps = (word >> np.uint32(16)) < chance
        down = np.where(jumps, self._modulo(state.down + self.at.alike.down[row], self.rows), state.down)
        right = np.where(jumps, self._modulo(state.right + self.at.alike.right[row], self.columns), state.right)
        out = State(down, right, self._places(down, right))
        self._wrap(out)
        return out

    @staticmethod
    def _modulo(values: Integers, size: int) -> Integers:
        return values - (values >= size) * np.int32(size)

    def _wrap(self, state: State) -> None:
        """Copy what lies round the torus into the padding; the offset changes by what going round it means in the exemplar."""
        down, right = self.grid.down, self.grid.right
        if down.source is None or right.source is None:
            return
        index = np.ix_(down.source + PAD, right.source + PAD)
        state.place = state.place[index]
        state.down = _turned(state.down[index], down, self.rows)[...]
        state.right = _turned(state.right[index].T, right, self.columns).T

    def _correct(self, state: State, i: int, j: int, number: int) -> None:
        i, j = (i + self.grid.down.parity) % 2, (j + self.grid.right.parity) % 2
        down, right = self.grid.down, self.grid.right
        row0, column0 = PAD + i, PAD + j
        shape = (len(range(i, down.count, 2)), len(range(j, right.count, 2)))

        def view(values: NDArray[np.generic], a: int, b: int) -> NDArray[np.generic]:
            return values[row0 + a : PAD + down.count + a : 2, column0 + b : PAD + right.count + b : 2]

        around_y = np.stack([view(state.down, a, b) for a, b in HERE]).reshape(len(HERE), -1)
        around_x = np.stack([view(state.right, a, b) for a, b in HERE]).reshape(len(HERE), -1)
        places = np.stack([view(state.place, a, b) for a, b in HERE]).reshape(len(HERE), -1)
        y_mod = np.repeat(self.down_mod[row0 : PAD + down.count : 2], shape[1])
        x_mod = np.tile(self.right_mod[column0 : PAD + right.count : 2], shape[0])
        asked_y, asked_x = self._candidates(around_y, around_x, places, view(self.words, 0, 0).ravel(), number)
        offered = self._place_at(asked_y, asked_x, y_mod, x_mod)
        cost = self._match(gather_wanted(self.at.level.shares, places[:8]), offered)
        around = (around_y[:8], around_x[:8], places[:8])
        cost = join_cost(cost, (asked_y, asked_x, offered), around, self.at, self.analysis.cells.shape, self.weights)
        if self.preference:
            cost += self._preferred(asked_y, asked_x, view(self.keys, 0, 0).ravel())
        if self.coarse:
            wide = [(view(state.place, a, b).ravel(), view(state.down, a, b).ravel(), view(state.right, a, b).ravel()) for a, b in WIDE_RING]
            cost += repeat_cost(asked_y, asked_x, offered, wide, self.at, self.analysis.cells.shape, self.weights, self.strength)
        best = cost.argmin(0)[None]
        for values, found in ((state.down, asked_y), (state.right, asked_x), (state.place, offered)):
            view(values, 0, 0)[...] = np.take_along_axis(found, best, 0).reshape(shape)

    def _candidates(self, y: Integers, x: Integers, places: NDArray[np.intp], words: Words, number: int) -> tuple[Integers, Integers]:
        """(2 * 9, m) offsets: continuations of the nine, then one look-alike of each, which one by hash."""
        mixed = scramble(words + np.uint32(SALT_WHICH + 64 * self.grid.spacing + number))
        shift = (2 * np.arange(len(HERE), dtype=np.uint32))[:, None]
        row = places * COUNT + ((mixed >> shift) & np.uint32(COUNT - 1)).astype(np.intp)
        down = self._modulo(y + self.at.alike.down[row], self.rows)
        right = self._modulo(x + self.at.alike.right[row], self.columns)
        return np.concatenate([y, down]), np.concatenate([x, right])

    def _match(self, said: NDArray[np.float32], offered: NDArray[np.intp]) -> Integers:
        """Squared distance of what the neighbours say from what each candidate wants; look-alikes pay a little more."""
        wanted = self.at.level.wanted.take(offered.ravel(), axis=0).reshape(*offered.shape, -1)
        wanted -= said
        energy = np.einsum("kmd,kmd->km", wanted, wanted).astype(np.int32)
        jumped = energy[len(HERE) :]
        jumped += jumped * self.weights.jump >> 8
        return energy

    def _preferred(self, y: Integers, x: Integers, keys: Words) -> Integers:
        fine = 0 if not self.analysis.cells.rule.free else 2
        code = (y >> fine).astype(np.uint32) * np.uint32(0x9E3779B1) + (x >> fine).astype(np.uint32) * np.uint32(0x85EBCA77)
        mixed = (scramble(code ^ keys) >> np.uint32(24)).astype(np.int32)
        return mixed * self.preference >> 8


def _turned(values: Integers, axis: Axis, size: int) -> Integers:
    """Change offsets by what the padding's way round the torus means along the first axis."""
    rounds = (axis.wrapped.astype(np.int64) - axis.positions) % size
    if not rounds.any():
        return values
    return ((values + rounds[:, None]) % size).astype(np.int32)


def block_edge(analysis: Analysis) -> int:
    """Edge of the blocks that prefer places of their own: a quarter of the exemplar, half for figures."""
    shortest = min(analysis.cells.shape)
    return max(8, shortest // 2 if analysis.cells.rule.family is Family.FIGURE else shortest // 4)
