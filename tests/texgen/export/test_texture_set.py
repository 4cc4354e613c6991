# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import numpy as np
import pytest

from tests.texgen.export.sets import STEM, textures
from texgen.errors import InvalidRequestError
from texgen.export.texture_set import TextureSet
from texgen.maps import MapKind


def test_maps_of_unlike_sizes_are_refused():
    maps = dict(textures().maps) | {MapKind.AO: np.zeros((16, 16, 1), np.uint8)}
    with pytest.raises(InvalidRequestError, match="differ in size"):
        TextureSet(STEM, maps)
