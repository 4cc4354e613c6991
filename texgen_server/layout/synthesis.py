# SPDX-License-Identifier: Apache-2.0
"""Coarse-to-fine synthesis of index maps: upsample offsets, jump by hash, correct in sub-passes
(after Lefebvre and Hoppe 2005, 2006).

The state is an offset for each cell: where it comes from in the exemplar, minus where it stands,
modulo the exemplar. Neighbours with the same offset continue each other. All arithmetic is on whole
numbers; a tie goes to the first candidate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from texgen_server.layout.analysis import AnalysedLevel, Analysis
from texgen_server.layout.appearance import AROUND, gather_wanted
from texgen_server.layout.blocks import block_keys, seeds
from texgen_server.layout.grids import PAD, Axis, Grid, parents
from texgen_server.layout.hashing import Words, below, draw, scramble
from texgen_server.layout.lookalikes import COUNT
from texgen_server.layout.options import LayoutOptions
from texgen_server.layout.penalties import WIDE_RING, Differences, JoinCost, RepeatCost
from texgen_server.layout.rules import Family
from texgen_server.layout.weights import Weights

Integers = NDArray[np.int32]
AnyScalar = TypeVar("AnyScalar", bound=np.generic)

HERE = (*AROUND, (0, 0))
"""Origins of candidates: the neighbours and the cell itself."""
SALT_START, SALT_JUMP, SALT_WHICH, SALT_SIDE = 1, 2, 3, 4
BITS = COUNT.bit_length() - 1
"""Bits of a word that choose a look-alike; the nine together fit into 32."""
JUMPS = {16: 26000, 8: 26000, 4: 10000}
"""Number of cells in 65536 that jump to a look-alike before they are corrected, by spacing."""


@dataclass
class State:
    """Offsets of the cells of one level, padding included, and the places in the exemplar that they
    lead to.
    """

    down: Integers
    right: Integers
    place: NDArray[np.intp]


class Part:
    """A quarter of a level's cells: every other one of every other row."""

    def __init__(self, grid: Grid, i: int, j: int) -> None:
        self.first = (PAD + (i + grid.down.parity) % 2, PAD + (j + grid.right.parity) % 2)
        self.end = (PAD + grid.down.count, PAD + grid.right.count)
        rows, columns = (
            len(range(first, end, 2)) for first, end in zip(self.first, self.end, strict=True)
        )
        self.shape = (rows, columns)
        steps = range(-PAD, PAD + 1)
        self.down: dict[int | None, slice] = {
            a: slice(self.first[0] + a, self.end[0] + a, 2) for a in steps
        } | {None: slice(None)}
        self.right: dict[int | None, slice] = {
            b: slice(self.first[1] + b, self.end[1] + b, 2) for b in steps
        } | {None: slice(None)}

    def view(self, values: NDArray[AnyScalar], a: int | None, b: int | None) -> NDArray[AnyScalar]:
        """Return the values (a, b) from each cell of the part; None leaves a direction as it is."""
        return values[self.down[a], self.right[b]]

    def ring(
        self, values: NDArray[AnyScalar], places: tuple[tuple[int, int], ...]
    ) -> NDArray[AnyScalar]:
        """Return (places, cells): the values at each of the places from each cell."""
        out = np.empty((len(places), *self.shape), values.dtype)
        for k, (a, b) in enumerate(places):
            out[k] = values[self.down[a], self.right[b]]
        return out.reshape(len(places), -1)


class LevelWork:
    """Synthesises one level of one layout."""

    def __init__(
        self,
        analysis: Analysis,
        at: AnalysedLevel,
        grid: Grid,
        options: LayoutOptions,
        weights: Weights,
    ) -> None:
        self.analysis, self.at, self.grid = analysis, at, grid
        self.options, self.weights = options, weights
        self.rows, self.columns = analysis.cells.shape
        self.down_mod = (grid.down.positions % self.rows).astype(np.int32)
        self.right_mod = (grid.right.positions % self.columns).astype(np.int32)
        self.words = seeds(grid, options)
        self.strength = options.novelty_steps * analysis.cells.novelty_scale >> 5
        self.preference = (
            at.unit * weights.preference * self.strength >> 16 if at.level.spacing <= 8 else 0
        )
        edge = block_edge(analysis)
        self.keys = block_keys(grid, edge, options, self.words) if self.preference else self.words
        self.parts = {(i, j): Part(grid, i, j) for i in (0, 1) for j in (0, 1)}
        self.differences = Differences(analysis.cells.shape)
        self.join_cost = JoinCost.prepare(analysis, at, weights)
        coarse = 2 * grid.spacing >= analysis.levels[0].level.spacing
        self.repeat_cost = (
            RepeatCost.prepare(analysis, at, weights, self.strength) if coarse else None
        )

    def run(self, state: State | None, before: Grid | None) -> State:
        """Start or refine, then correct."""
        state = (
            self._start()
            if state is None or before is None
            else self._jump(self._refine(state, before))
        )
        for number in range(self.weights.rounds_at(self.grid.spacing)):
            for i in (0, 1):
                for j in (0, 1):
                    self._correct(state, i, j, number * 4 + i * 2 + j)
                    self._wrap(state)
        return state

    def _places(self, down: Integers, right: Integers) -> NDArray[np.intp]:
        return self._place_at(down, right, self.down_mod[:, None], self.right_mod[None])

    def _place_at(
        self, down: Integers, right: Integers, y_mod: Integers, x_mod: Integers
    ) -> NDArray[np.intp]:
        y, x = down + y_mod, right + x_mod
        y -= (y >= self.rows) * np.int32(self.rows)
        x -= (x >= self.columns) * np.int32(self.columns)
        return (y * self.columns + x).astype(np.intp)

    def _start(self) -> State:
        y, x = self.grid.down.wrapped[:, None], self.grid.right.wrapped[None]
        drawn = self.analysis.offsets[
            below(draw(self.words, SALT_START, y, x), len(self.analysis.offsets))
        ]
        state = State(
            drawn[..., 0].copy(), drawn[..., 1].copy(), np.zeros(drawn.shape[:2], np.intp)
        )
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
        word = draw(
            self.words,
            SALT_JUMP + 16 * self.grid.spacing,
            self.grid.down.wrapped[:, None],
            self.grid.right.wrapped[None],
        )
        row = state.place * COUNT + (word & np.uint32(COUNT - 1)).astype(np.intp)
        jumps = (word >> np.uint32(16)) < chance
        down = np.where(
            jumps, self._modulo(state.down + self.at.alike.down[row], self.rows), state.down
        )
        right = np.where(
            jumps, self._modulo(state.right + self.at.alike.right[row], self.columns), state.right
        )
        out = State(down, right, self._places(down, right))
        self._wrap(out)
        return out

    @staticmethod
    def _modulo(values: Integers, size: int) -> Integers:
        return values - (values >= size) * np.int32(size)

    def _wrap(self, state: State) -> None:
        """Copy the cells round the torus into the padding; the offset changes by the exemplar's
        change on the way round.
        """
        down, right = self.grid.down, self.grid.right
        if down.source is None or right.source is None:
            return
        index = np.ix_(down.source + PAD, right.source + PAD)
        state.place = state.place[index]
        state.down = _turned(state.down[index], down, self.rows)[...]
        state.right = _turned(state.right[index].T, right, self.columns).T

    def _correct(self, state: State, i: int, j: int, number: int) -> None:
        """Let every other cell of every other row take the best of what its neighbours propose; (i,
        j) says which.
        """
        part = self.parts[i, j]
        around = (
            part.ring(state.down, HERE),
            part.ring(state.right, HERE),
            part.ring(state.place, HERE),
        )
        asked_y, asked_x = self._candidates(*around, part.view(self.words, 0, 0).ravel(), number)
        y_mod, x_mod = np.broadcast_arrays(
            part.view(self.down_mod[:, None], 0, None), part.view(self.right_mod[None], None, 0)
        )
        offered = self._place_at(asked_y, asked_x, y_mod.ravel(), x_mod.ravel())
        codes, neighbours = self.differences.codes(asked_y, asked_x), around[2][: len(AROUND)]
        match = self._match(gather_wanted(self.at.level.shares, neighbours), offered)
        cost = self.join_cost(match, codes, offered, codes[: len(AROUND)], neighbours)
        if self.preference:
            cost += self._preferred(asked_y, asked_x, part.view(self.keys, 0, 0).ravel())
        if self.repeat_cost is not None:
            wide = self.differences.codes(
                part.ring(state.down, WIDE_RING), part.ring(state.right, WIDE_RING)
            )
            cost += self.repeat_cost(codes, offered, wide, part.ring(state.place, WIDE_RING))
        best = cost.argmin(0)[None]
        part.view(state.down, 0, 0)[...] = np.take_along_axis(asked_y, best, 0).reshape(part.shape)
        part.view(state.right, 0, 0)[...] = np.take_along_axis(asked_x, best, 0).reshape(part.shape)
        part.view(state.place, 0, 0)[...] = np.take_along_axis(offered, best, 0).reshape(part.shape)

    def _candidates(
        self, y: Integers, x: Integers, places: NDArray[np.intp], words: Words, number: int
    ) -> tuple[Integers, Integers]:
        """(2 * 9, m) offsets: continuations of the nine, then one look-alike of each, which one by
        hash.
        """
        mixed = scramble(words + np.uint32(SALT_WHICH + 64 * self.grid.spacing + number))
        shift = (BITS * np.arange(len(HERE), dtype=np.uint32))[:, None]
        row = places * COUNT + ((mixed >> shift) & np.uint32(COUNT - 1)).astype(np.intp)
        down = self._modulo(y + self.at.alike.down[row], self.rows)
        right = self._modulo(x + self.at.alike.right[row], self.columns)
        return np.concatenate([y, down]), np.concatenate([x, right])

    def _match(self, said: NDArray[np.float32], offered: NDArray[np.intp]) -> Integers:
        """Compute the squared distance of the neighbours' sum from each candidate's wanted sum;
        look-alikes cost slightly more.
        """
        wanted = self.at.level.wanted.take(offered.ravel(), axis=0).reshape(*offered.shape, -1)
        wanted -= said
        energy: Integers = np.einsum("kmd,kmd->km", wanted, wanted).astype(np.int32)
        jumped = energy[len(HERE) :]
        jumped += jumped * self.weights.jump >> 8
        if self.at.barred is not None:
            energy += self.at.barred[offered]
        return energy

    def _preferred(self, y: Integers, x: Integers, keys: Words) -> Integers:
        fine = 0 if not self.analysis.cells.rule.free else 2
        code = (y >> fine).astype(np.uint32) * np.uint32(0x9E3779B1) + (x >> fine).astype(
            np.uint32
        ) * np.uint32(0x85EBCA77)
        mixed = (scramble(code ^ keys) >> np.uint32(24)).astype(np.int32)
        return mixed * self.preference >> 8


def _turned(values: Integers, axis: Axis, size: int) -> Integers:
    """Change offsets by the padding's way round the torus along the first axis."""
    rounds = (axis.wrapped.astype(np.int64) - axis.positions) % size
    if not rounds.any():
        return values
    return ((values + rounds[:, None]) % size).astype(np.int32)


def block_edge(analysis: Analysis) -> int:
    """Return the edge of the blocks that share a preferred origin: a quarter of the exemplar, half
    for figures.
    """
    shortest = min(analysis.cells.shape)
    return max(8, shortest // 2 if analysis.cells.rule.family is Family.FIGURE else shortest // 4)
