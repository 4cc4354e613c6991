# SPDX-License-Identifier: Apache-2.0
"""Finds cheapest paths through a picture of costs by dynamic programming."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Integers = NDArray[np.int64]


def cheapest_path(costs: Array, *, closed: bool) -> tuple[Integers, float]:
    """Return the columns (H,) of the path from the first row to the last of least total cost (H,
    W), which moves by at most one column a row; and its cost.

    ``closed``: the last row's column is at most one away from the first row's.
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
