# SPDX-License-Identifier: Apache-2.0
"""Principal components in integers: the same basis on every machine, whatever BLAS adds in whatever
order.

Every product of matrices below holds whole numbers whose sums stay under 2^53, so it is exact;
between products only single operations of IEEE arithmetic (divide, square root, multiply, subtract)
and rounding happen, one element at a time.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from texgen_server.layout.hashing import draw, seed_word

Doubles = NDArray[np.float64]

UNIT = 4095
"""Length of a basis vector."""
SWEEPS = 8
WORKING = 1 << 18
"""Largest entry while vectors are made orthogonal."""


def principal(rows: NDArray[np.generic], count: int) -> NDArray[np.float32]:
    """Find the ``count`` strongest components of whole-numbered rows (n, f) with absolute values up
    to 127 and mean near 0.

    Returns whole numbers (f, count): columns of length about `UNIT`, orthogonal to within rounding;
    together they span the strongest subspace to within what `SWEEPS` steps of orthogonal iteration
    leave.
    """
    values = rows.astype(np.float64)
    covariance = values.T @ values
    features = covariance.shape[0]
    count = min(count, features)
    start = draw(seed_word(features), 7, np.arange(features)[:, None], np.arange(count)[None])
    basis = _orthogonal((start >> np.uint32(20)).astype(np.float64) - 2048.0)
    for _ in range(SWEEPS):
        basis = _orthogonal(covariance @ basis)
    return basis.astype(np.float32)


def _orthogonal(columns: Doubles) -> Doubles:
    """Make the columns orthogonal in order (modified Gram-Schmidt on whole numbers) and as long as
    `UNIT`.
    """
    largest = np.maximum(np.abs(columns).max(0), 1.0)
    work = np.rint(columns * (WORKING / largest))
    for k in range(work.shape[1]):
        # what is left of a column after the others are taken out may be small: use the full range
        # again
        left = work[:, k]
        work[:, k] = left = np.rint(left * (WORKING / max(float(np.abs(left).max()), 1.0)))
        square = max(float(left @ left), 1.0)
        shares = (left @ work[:, k + 1 :]) / square
        work[:, k + 1 :] = np.rint(work[:, k + 1 :] - left[:, None] * shares)
    lengths = np.sqrt(np.maximum((work * work).sum(0), 1.0))
    out: Doubles = np.rint(work * (UNIT / lengths))
    return out


def spread(values: NDArray[np.generic], reach: int, limit: int) -> NDArray[np.int32]:
    """Scale whole numbers so that four deviations of the widest column come to ``reach``, round,
    and clip at ``limit``.
    """
    whole = values.astype(np.int64)
    flat = whole.reshape(-1, whole.shape[-1])
    mean_square = int((flat * flat).sum(0).max()) // max(1, len(flat))
    deviation = max(1, int(np.sqrt(np.float64(16 * mean_square))))
    return np.clip((whole * (2 * reach) + deviation) // (2 * deviation), -limit, limit).astype(
        np.int32
    )
