# SPDX-License-Identifier: Apache-2.0
"""Resampling of periodic maps."""

from __future__ import annotations

import numpy as np
import pytest

from texgen_server.training.exemplars.resampling import even_positions, resample_axis, row_positions


def wave(size: int, cycles: int) -> np.ndarray:
    return np.sin(2 * np.pi * cycles * (np.arange(size) + 0.5) / size).astype(np.float32)


@pytest.mark.parametrize("wanted", [40, 64, 72, 96])
def test_a_slow_wave_keeps_its_shape_and_stays_periodic(wanted):
    made = resample_axis(wave(64, 3)[:, None], even_positions(64, wanted), 0)[:, 0]
    assert np.abs(made - wave(wanted, 3)).max() < 0.02


def test_constants_and_whole_shifts_are_exact():
    rng = np.random.default_rng(0)
    maps = rng.random((16, 24, 2), np.float32)
    shifted = resample_axis(maps, np.arange(24) + 5.0, 1)
    assert np.abs(shifted - np.roll(maps, -5, 1)).max() < 1e-6
    assert np.allclose(
        resample_axis(np.full((16, 1), 0.3, np.float32), even_positions(16, 40), 0), 0.3, atol=1e-6
    )


def test_a_shrunken_picture_keeps_its_mean_and_does_not_alias():
    fast = wave(128, 60)[:, None]
    made = resample_axis(fast, even_positions(128, 64), 0)
    assert np.abs(made).max() < 0.35  # 60 cycles do not fit into 64 pixels


def test_boundaries_of_unlike_rows_come_to_lie_on_cells():
    stored, wanted, boundaries = 100, 96, (0.11, 0.37, 0.72)
    rows = np.digitize((np.arange(stored) + 0.5) / stored, boundaries) % 3
    positions = row_positions(stored, wanted, boundaries, 8)
    assert (np.diff(positions) > 0).all()
    found = rows[np.round(positions).astype(int) % stored]
    edges = np.flatnonzero(found != np.roll(found, 1))
    assert len(edges) == 3
    assert (np.abs(edges - 8 * np.round(edges / 8)) <= 1).all()
