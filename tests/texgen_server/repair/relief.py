# SPDX-License-Identifier: Apache-2.0
"""Maps of a known relief."""

from __future__ import annotations

import numpy as np

NOBODY = np.zeros(3, np.float32)
