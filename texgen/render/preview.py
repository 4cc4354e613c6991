# SPDX-License-Identifier: Apache-2.0
"""Renders a preview of a material: lit and tiled."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image

from texgen.files.images import decode
from texgen.maps import MapKind, Material, to_unit
from texgen.render.shading import render_lit


def lit_tiled_png(material: Material, repeats: int = 2, max_edge_px: int = 1024) -> bytes:
    """Render the material under one light and repeat it ``repeats`` x ``repeats``, at most
    ``max_edge_px`` wide. PNG bytes.

    Needs the maps basecolor, normal, roughness, metallic and ao.
    """
    planes = {kind: to_unit(decode(packed)) for kind, packed in material.maps.items()}
    normal = planes[MapKind.NORMAL] * 2.0 - 1.0
    normal /= np.linalg.norm(normal, axis=2, keepdims=True)
    roughness, metallic, ao = (
        planes[k][..., 0] for k in (MapKind.ROUGHNESS, MapKind.METALLIC, MapKind.AO)
    )
    tile = render_lit(planes[MapKind.BASECOLOR], normal, roughness, metallic, ao)
    picture = Image.fromarray(np.tile(tile, (repeats, repeats, 1)))
    picture.thumbnail((max_edge_px, max_edge_px), Image.Resampling.LANCZOS)
    out = BytesIO()
    picture.save(out, "PNG", optimize=True)
    return out.getvalue()
