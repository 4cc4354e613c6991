# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import numpy as np
import pytest

from tests.texgen.dataset.sets import counted, model, plan_of
from texgen.dataset.plan import choose_sample
from texgen.errors import InvalidRequestError


def test_classes_come_in_their_shares_in_any_stretch():
    rare = model(wood=90, snow=9, ice=1)
    natural, even = plan_of(rare), plan_of(rare, balance=True)
    for first in (0, 500):
        assert abs(counted(natural, first, first + 500)["wood"] - 450) <= 5
        assert all(abs(n - 500 / 3) <= 4 for n in counted(even, first, first + 500).values())
    assert set(counted(plan_of(rare, "ice", "snow", balance=True), 0, 50)) == {"ice", "snow"}


def test_controls_stay_in_their_ranges_and_sizes_alone():
    samples = [choose_sample(plan_of(model(wood=1)), n) for n in range(300)]
    relief = np.array([s.controls["relief"] for s in samples])
    assert relief.min() >= 0.0 and relief.max() <= 4.0 and relief.max() > 3.0
    assert np.median(np.abs(relief - 1.0)) < 0.4
    assert all("tile_px" not in s.controls for s in samples)
    assert len({s.seed for s in samples}) == 300
    still = choose_sample(plan_of(model(wood=1), spread=0.0), 5)
    assert still.controls == {"age": 0.0, "relief": 1.0}


def test_a_plan_that_cannot_be_is_refused():
    with pytest.raises(InvalidRequestError, match="wool"):
        plan_of(model(wood=1), "wool")
    with pytest.raises(InvalidRequestError, match="no plain name"):
        plan_of(model(**{"../../home": 1}))
