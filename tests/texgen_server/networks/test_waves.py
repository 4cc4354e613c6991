# SPDX-License-Identifier: Apache-2.0
"""Layouts of periodic waves."""

from __future__ import annotations

import numpy as np

from texgen_server.networks.waves import layout_field, sample_places


def layout_at(model, origin, tiles, samples):
    waves, amplitudes = model.tables.waves[:1], model.tables.amplitudes[:1]
    down, right = (sample_places(np.array([o]), tiles, samples) for o in origin)
    return layout_field(waves, amplitudes, down, right, (tiles / samples, tiles / samples))


def test_layout_is_periodic_and_moves_with_its_origin(model):
    here, whole, moved = (
        layout_at(model, o, 1, 64) for o in ((0.25, 0.5), (1.25, -0.5), (0.25, 0.75))
    )
    assert np.abs(here).max() > 0.1
    assert np.allclose(here, whole, atol=1e-4)
    assert np.allclose(np.roll(here, -16, 3), moved, atol=1e-4)
    twice = layout_at(model, (0.25, 0.5), 2, 128)
    assert np.allclose(twice[..., :64, :64], here, atol=1e-4)
    assert np.allclose(twice[..., 64:, 64:], here, atol=1e-4)
