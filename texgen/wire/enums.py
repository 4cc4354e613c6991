# SPDX-License-Identifier: Apache-2.0
"""Tables between the names of this project and the enums of the contract, in both directions.

These are the only such tables: clients, server and add-on all use them. A ``*_FROM_PB`` table
lists every value that a peer may send, *unspecified* included where the contract gives it a
meaning; the ``*_TO_PB`` table is its inverse without those.
"""

from __future__ import annotations

from texgen.maps import Border, ColorSpace, Encoding, MapKind, Tiling
from texgen.pb import texgen_pb2 as pb
from texgen.recipes.recipe import Lock, MixMode

KIND_TO_PB = {
    MapKind.BASECOLOR: pb.MAP_KIND_BASECOLOR,
    MapKind.NORMAL: pb.MAP_KIND_NORMAL,
    MapKind.ROUGHNESS: pb.MAP_KIND_ROUGHNESS,
    MapKind.METALLIC: pb.MAP_KIND_METALLIC,
    MapKind.HEIGHT: pb.MAP_KIND_HEIGHT,
    MapKind.AO: pb.MAP_KIND_AO,
    MapKind.ENVIRONMENT: pb.MAP_KIND_ENVIRONMENT,
}
KIND_FROM_PB = {value: kind for kind, value in KIND_TO_PB.items()}

ENCODING_TO_PB = {
    Encoding.RAW: pb.ENCODING_RAW,
    Encoding.PNG: pb.ENCODING_PNG,
    Encoding.EXR: pb.ENCODING_EXR,
}
ENCODING_FROM_PB = {value: encoding for encoding, value in ENCODING_TO_PB.items()}

SPACE_TO_PB = {
    ColorSpace.SRGB: pb.COLOR_SPACE_SRGB,
    ColorSpace.DATA: pb.COLOR_SPACE_DATA,
    ColorSpace.LINEAR: pb.COLOR_SPACE_LINEAR_REC709,
}
SPACE_FROM_PB = {value: space for space, value in SPACE_TO_PB.items()}

DTYPE_TO_PB = {"uint8": pb.DTYPE_UINT8, "uint16": pb.DTYPE_UINT16, "float16": pb.DTYPE_FLOAT16}
DTYPE_FROM_PB = {value: dtype for dtype, value in DTYPE_TO_PB.items()}

REPAIR_STEP_TO_PB = {
    "cleaned": pb.REPAIR_STEP_CLEANED,
    "tiled": pb.REPAIR_STEP_TILED,
    "from height": pb.REPAIR_STEP_FROM_HEIGHT,
    "from normal": pb.REPAIR_STEP_FROM_NORMAL,
    "from estimate": pb.REPAIR_STEP_FROM_ESTIMATE,
}
REPAIR_STEP_FROM_PB = {value: step for step, value in REPAIR_STEP_TO_PB.items()}

BORDER_TO_PB = {
    Border.WRAP: pb.BORDER_WRAP,
    Border.WRAP_X: pb.BORDER_WRAP_X,
    Border.WRAP_Y: pb.BORDER_WRAP_Y,
    Border.MIRROR: pb.BORDER_MIRROR,
    Border.PANORAMA: pb.BORDER_PANORAMA,
}
BORDER_FROM_PB = {value: border for border, value in BORDER_TO_PB.items()} | {
    pb.BORDER_UNSPECIFIED: Border.WRAP
}

TILING_TO_PB = {
    Tiling.AUTO: pb.TILING_AUTO,
    Tiling.ALWAYS: pb.TILING_ALWAYS,
    Tiling.NEVER: pb.TILING_NEVER,
}
TILING_FROM_PB = {value: tiling for tiling, value in TILING_TO_PB.items()} | {
    pb.TILING_UNSPECIFIED: Tiling.AUTO
}

LOCK_TO_PB = {
    Lock.LAYOUT: pb.LOCK_LAYOUT,
    Lock.COLOUR: pb.LOCK_COLOUR,
    Lock.RELIEF: pb.LOCK_RELIEF,
}
LOCK_FROM_PB = {value: lock for lock, value in LOCK_TO_PB.items()}

MIX_MODE_TO_PB = {
    MixMode.BLEND: pb.MIX_MODE_BLEND,
    MixMode.LOOK: pb.MIX_MODE_LOOK,
    MixMode.PAINT: pb.MIX_MODE_PAINT,
    MixMode.TRANSITION: pb.MIX_MODE_TRANSITION,
}
MIX_MODE_FROM_PB = {value: mode for mode, value in MIX_MODE_TO_PB.items()} | {
    pb.MIX_MODE_UNSPECIFIED: MixMode.BLEND
}

DETAIL_TO_PB: dict[str, pb.Detail] = {"": pb.DETAIL_UNSPECIFIED, "sr": pb.DETAIL_SR}
"""Ways to reach the size: empty, the recipe's or the generator alone; "sr", the upscaler."""
