# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from texgen.export.packing import pack
from texgen.export.preset import load_preset
from texgen.export.texture_set import TextureSet
from texgen.maps import MAP_SPECS, MATERIAL_MAPS

STEM = "castle_wall_7"


def textures(kinds=MATERIAL_MAPS, edge=32):
    rng = np.random.default_rng(5)
    maps = {}
    for kind in kinds:
        spec = MAP_SPECS[kind]
        top = 256 if spec.dtype == "uint8" else 65536
        maps[kind] = rng.integers(0, top, (edge, edge, spec.channels)).astype(spec.dtype)
    about = {
        "controls": {"tile_size_m": 2.0},
        "height_range_m": 0.05,
        "output_licence": "CC0-1.0",
        "generator": "texgen",
        "recipe": "tg1:x",
    }
    return TextureSet(STEM, maps, about)


def packed(preset, kinds=MATERIAL_MAPS):
    made = textures(kinds)
    return made.maps, pack(made, load_preset(preset))


def png(data):
    return np.asarray(Image.open(io.BytesIO(data)))
