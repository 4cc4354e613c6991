# SPDX-License-Identifier: Apache-2.0
"""The cheapest path."""

from __future__ import annotations

import numpy as np
import pytest

from texgen_server.repair.cheapest_path import cheapest_path


@pytest.mark.parametrize("closed", [False, True])
def test_the_path_is_the_cheapest_there_is(closed):
    """Against every path of a small field."""
    import itertools

    costs = np.random.default_rng(3).random((5, 4)).astype(np.float32)
    path, cost = cheapest_path(costs, closed=closed)

    def fits(columns):
        steps = [abs(a - b) for a, b in itertools.pairwise(columns)] + (
            [abs(columns[0] - columns[-1])] if closed else []
        )
        return max(steps) <= 1

    best = min(
        sum(costs[y, x] for y, x in enumerate(c))
        for c in itertools.product(range(4), repeat=5)
        if fits(c)
    )
    assert fits(path.tolist())
    assert cost == pytest.approx(sum(costs[y, x] for y, x in enumerate(path)), rel=1e-5)
    assert cost == pytest.approx(best, rel=1e-5) or closed
    assert cost <= 1.5 * best
