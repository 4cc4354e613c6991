# SPDX-License-Identifier: Apache-2.0
"""Layouts fitted to maps that were not trained on."""

from __future__ import annotations

import numpy as np

from texgen_server.training.environment.invert import fit_layout, layout_basis


def test_a_layout_between_known_ones_is_come_near_to():
    """The basis has half as many axes as there are layouts and mirror images: half of unrelated
    noise is out of its reach.
    """
    rng = np.random.default_rng(1)
    known = rng.normal(0, 0.3, (6, 4, 32, 64)).astype(np.float32)
    basis = layout_basis(known)
    aim = known[2] * 0.5 + known[4] * 0.5
    before, after = (
        np.abs(found[:3] - aim[:3]).mean() for found in (basis.mean, fit_layout(aim, basis))
    )
    assert after < 0.6 * before
