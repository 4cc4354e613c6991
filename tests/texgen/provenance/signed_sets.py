# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from tests.texgen.export.sets import textures
from texgen.export.packing import pack
from texgen.export.preset import load_preset
from texgen.files.images import encode_exr, encode_png
from texgen.maps import ColorSpace
from texgen.provenance.trial_certificate import (
    ROOT_FILE,
)

ABOUT = {
    "generator": "texgen 0",
    "recipe": "tg1:x",
    "model_digest": "ab" * 32,
    "output_licence": "CC0-1.0",
}


FORMATS = (
    "grey.png",
    "deep.png",
    "colour.png",
    "map.tif",
    "map.exr",
    "ball.glb",
    "set.usdz",
    "map.ktx2",
    "map.dds",
    "material.tres",
)


def trust(certificates):
    return (certificates / ROOT_FILE).read_text()


def samples():
    rng = np.random.default_rng(3)
    colour = rng.integers(0, 256, (48, 48, 3)).astype(np.uint8)
    deep = rng.integers(0, 65536, (48, 48, 1)).astype(np.uint16)
    files = {
        "grey.png": encode_png(colour[..., :1], srgb=False),
        "colour.png": encode_png(colour, srgb=True),
    }
    files |= {
        "deep.png": encode_png(deep, srgb=False),
        "map.exr": encode_exr(deep, ColorSpace.DATA),
    }
    ball = pack(textures(), load_preset("gltf"))
    packed = pack(textures(), load_preset("usd"))
    files["ball.glb"] = next(data for name, data in ball.items() if name.endswith(".glb"))
    files["set.usdz"] = next(data for name, data in packed.items() if name.endswith(".usdz"))
    files["map.tif"] = tiff(colour)
    return files | {
        name: rng.bytes(3000) for name in FORMATS if name not in files
    }  # to a manifest beside it, a file is bytes


def tiff(colour):
    buffer = io.BytesIO()
    Image.fromarray(colour).save(buffer, "TIFF", compression="tiff_lzw")
    return buffer.getvalue()


def written(folder, contents):
    folder.mkdir(exist_ok=True)
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    return folder
