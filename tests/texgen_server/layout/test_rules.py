"""Which offsets are allowed, and on which sizes a torus closes."""

from __future__ import annotations

import numpy as np
import pytest

from texgen_server.layout.rules import (
    Family,
    Rule,
    allowed_offsets,
    fitting_size,
    is_group,
    nearest_sizes,
)


@pytest.mark.parametrize(
    ("rule", "shape", "count"),
    [
        (Rule(Family.STOCHASTIC), (6, 4), 24),
        (Rule(Family.ROWS, "y", 4), (32, 24), 4 * 24),
        (Rule(Family.ROWS, "y", 1), (32, 24), 24),
        (Rule(Family.ROWS, "x", 3), (32, 24), 3 * 32),
        (Rule(Family.LATTICE, group=(8, 2, 2)), (64, 64), 16),
        (Rule(Family.LATTICE, group=(10, 9, 5)), (60, 54), 90),
        (
            Rule(Family.LATTICE, group=(3, 3, 0)),
            (64, 63),
            3,
        ),  # thirds of 64 rows are no whole cells
        (Rule(Family.ROWS, "y", 5), (32, 24), 24),
    ],
)
def test_allowed_offsets_are_a_group(rule, shape, count):
    offsets = allowed_offsets(rule, shape)
    assert len(offsets) == count
    assert is_group(offsets, shape)
    assert offsets[0].tolist() == [0, 0]


def test_what_is_no_group_is_told():
    assert not is_group(np.asarray([(0, 0), (0, 5)], np.int32), (8, 8))


def test_herringbone_offsets_go_with_their_shift():
    offsets = {
        tuple(o) for o in allowed_offsets(Rule(Family.LATTICE, group=(8, 2, 2)), (64, 64)).tolist()
    }
    assert (8, 8) in offsets
    assert (8, 0) not in offsets
    assert (0, 32) in offsets


@pytest.mark.parametrize(
    ("rule", "size", "fits"),
    [
        (Rule(Family.STOCHASTIC), (13, 7), True),
        (Rule(Family.ROWS, "y", 4), (40, 7), True),
        (Rule(Family.ROWS, "y", 4), (41, 7), False),
        (Rule(Family.ROWS, "x", 1), (41, 48), True),
        (Rule(Family.ROWS, "x", 1), (41, 40), False),
    ],
)
def test_sizes_on_which_a_torus_closes(rule, size, fits):
    assert fitting_size(rule, (32, 24), size) is fits


def test_nearest_sizes_fit_and_the_nearest_comes_first():
    rule = Rule(Family.ROWS, "y", 4)
    sizes = nearest_sizes(rule, (32, 24), (43, 30))
    assert sizes[0] == (40, 30)
    assert all(fitting_size(rule, (32, 24), s) for s in sizes)
