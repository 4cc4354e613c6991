# SPDX-License-Identifier: Apache-2.0
"""White balance."""

from __future__ import annotations

import numpy as np
import pytest

from texgen.render.panorama import (
    luminance,
)
from texgen_server.environment.white_balance import white_balance


def test_white_balance_makes_its_own_colour_white():
    assert white_balance(6500.0) == pytest.approx(np.ones(3), abs=1e-6)
    warm, cool = white_balance(9000.0), white_balance(3500.0)
    assert warm[0] > 1 > warm[2]
    assert cool[0] < 1 < cool[2]
    assert float(luminance(white_balance(3000.0))) == pytest.approx(1.0, abs=1e-5)
