"""From a prepared exemplar to what the layout engine is given; measures of novelty over
exemplars.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tests.texgen_server.layout.small import picture
from tests.texgen_server.layout.test_joints import bricks
from texgen_server.layout import Family
from texgen_server.training.exemplars.cells import (
    Override,
    calibrated,
    layout_rule,
    make_cells,
    read_overrides,
)
from texgen_server.training.exemplars.families import Layout, Rows
from texgen_server.training.exemplars.novelty import measure_novelty, novelty_table

LAYOUT = Layout(
    "bricks",
    "brick",
    Family.ROWS,
    512,
    (256, 256),
    (256, 256),
    Rows("y", 8, True, ()),
    None,
    "",
    "",
    frozenset(),
    4,
)


def maps() -> np.ndarray:
    out = np.full((256, 256, 9), 0.5, np.float32)
    out[..., 7] -= 0.3 * bricks()
    return out


def test_rows_of_one_height_may_change_places_and_others_not():
    assert layout_rule(LAYOUT).row_count == 8
    assert layout_rule(replace(LAYOUT, rows=Rows("x", 5, False, (0.0, 0.3)))).row_count == 1
    lattice = replace(LAYOUT, family=Family.LATTICE, rows=None, group=(8, 2, 2))
    assert layout_rule(lattice).group == (8, 2, 2)
    assert layout_rule(replace(lattice, family=Family.STOCHASTIC)).free
    assert layout_rule(LAYOUT, Override("columns", rows="x")).row_axis == "x"


def test_joints_become_features_and_costs_unless_they_are_overruled():
    cells = make_cells(picture((32, 32)), maps(), LAYOUT)
    assert cells.extra is not None
    assert cells.cut is not None
    assert cells.rule.family is Family.ROWS
    plain = make_cells(
        picture((32, 32)), maps(), LAYOUT, Override("mask breaks stones", joints=False)
    )
    assert plain.extra is None
    assert plain.cut is None


def test_only_copies_that_are_alike_count():
    copies = [
        make_cells(picture((32, 32)), maps(), replace(LAYOUT, copies=text)).copies
        for text in (
            "",
            "4 x (rows 2 cols 2 shift 1; r 0.81)",
            "2 x (rows 2 cols 1 shift 1; r 0.39)",
        )
    ]
    assert copies == [None, (2, 2, 1), None]


def test_the_table_of_overrides_can_be_read():
    assert all(o.why for o in read_overrides().values())


def test_a_calibrated_exemplar_is_new_and_its_figures_are_told():
    analysis, found = calibrated(make_cells(picture((32, 32)), maps(), LAYOUT))
    assert analysis.cells.novelty_scale == found.novelty_scale
    told = list(measure_novelty([("bricks", analysis)], seeds=3))
    assert not told[0].shifted
    assert "| L1 | 1 |" in novelty_table(told)
