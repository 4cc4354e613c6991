# SPDX-License-Identifier: Apache-2.0
"""White balance: colours of black bodies."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LUMINANCE = np.array([0.2126, 0.7152, 0.0722])
TO_REC709 = np.array(
    [
        [3.2404542, -1.5371385, -0.4985314],
        [-0.9692660, 1.8760108, 0.0415560],
        [0.0556434, -0.2040259, 1.0572252],
    ]
)
NEUTRAL_K = 6500.0
WARM_K = 4000.0
"""Temperature below which the other cubics hold."""


def white_balance(kelvin: float) -> NDArray[np.float32]:
    """Return gains (3,) that make light of this colour white, with the luminance of white kept;
    6500 K changes nothing.
    """
    gains: NDArray[np.float64] = black_body(NEUTRAL_K) / black_body(kelvin)
    return (gains / float(gains @ LUMINANCE)).astype(np.float32)


def black_body(kelvin: float) -> NDArray[np.float64]:
    """Return the colour of a black body in linear Rec.709, luminance about 1 (chromaticity: Kim et
    al. 2002, cubics for 1667 to 25000 K).
    """
    t = 1000.0 / kelvin
    if kelvin < WARM_K:
        x = -0.2661239 * t**3 - 0.2343589 * t**2 + 0.8776956 * t + 0.179910
        y = -0.9549476 * x**3 - 1.37418593 * x**2 + 2.09137015 * x - 0.16748867
    else:
        x = -3.0258469 * t**3 + 2.1070379 * t**2 + 0.2226347 * t + 0.240390
        y = 3.0817580 * x**3 - 5.87338670 * x**2 + 3.75112997 * x - 0.37001483
    xyz = np.array([x / y, 1.0, (1.0 - x - y) / y])
    linear: NDArray[np.float64] = np.maximum(TO_REC709 @ xyz, 1e-3)
    return linear
