# SPDX-License-Identifier: Apache-2.0
"""Draws contact sheets of prepared exemplars: each lit and as relief, with its name and
corrections.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from texgen.maps import from_unit
from texgen_server.training.exemplars.pack import Pack
from texgen_server.training.exemplars.prepare import COLOUR, HEIGHT, Exemplar, normal_vectors

THUMB_PX = 160
ACROSS = 5
"""Exemplars in a row; each takes two thumbnails."""
LINE_PX = 13
LIGHT = np.asarray([-0.45, 0.45, 0.77], np.float32)


def write_sheets(pack: Pack, out: Path, rows: int = 10) -> list[Path]:
    """Write ``exemplars_<n>.webp`` pages of all exemplars of a pack, sorted by class; returns their
    paths.
    """
    out.mkdir(parents=True, exist_ok=True)
    ids = sorted(pack.ids(), key=lambda a: (pack.about[a].material_class, a))
    written = []
    for page, first in enumerate(range(0, len(ids), ACROSS * rows), 1):
        tiles = list(_tiles(pack, ids[first : first + ACROSS * rows]))
        path = out / f"exemplars_{page}.webp"
        _join(tiles).save(path, quality=70)
        written.append(path)
    return written


def lit(maps: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the basecolor of (H, W, 9) maps under a light from the upper left, (H, W, 3)."""
    shade = np.clip(normal_vectors(maps) @ LIGHT, 0.0, 1.0) / LIGHT[2]
    return from_unit(maps[..., COLOUR] * shade[..., None], np.uint8, half_to_even=True)


def _tiles(pack: Pack, ids: list[str]) -> Iterator[Image.Image]:
    for asset_id in ids:
        exemplar = pack.read(asset_id, "small")
        tile = Image.new("RGB", (2 * THUMB_PX, THUMB_PX + 3 * LINE_PX), "white")
        height = from_unit(exemplar.maps[..., HEIGHT, None], np.uint8, half_to_even=True)
        for i, picture in enumerate((lit(exemplar.maps), np.repeat(height, 3, -1))):
            thumbnail = Image.fromarray(picture)
            size = THUMB_PX, THUMB_PX
            tile.paste(thumbnail.resize(size, Image.Resampling.BOX), (i * THUMB_PX, 0))
        draw = ImageDraw.Draw(tile)
        for i, line in enumerate(
            _lines(exemplar, pack.grids[asset_id].get("own", pack.grids[asset_id]["small"]))
        ):
            draw.text((2, THUMB_PX + i * LINE_PX), line, fill="black")
        yield tile


def _lines(exemplar: Exemplar, grid: tuple[int, int]) -> tuple[str, str, str]:
    about = exemplar.about
    first = f"{about.asset_id}  {about.material_class}  {about.family}  q{about.quality}"
    second = (
        f"{grid[1]} x {grid[0]} px  {about.metres:g} m  relief {about.relief_tiles:.3f}  "
        f"r {about.slope_agreement:.2f}"
    )
    return first, second, "; ".join(about.corrections)[:60]


def _join(tiles: list[Image.Image]) -> Image.Image:
    width, height = tiles[0].size
    page = Image.new("RGB", (ACROSS * width, -(-len(tiles) // ACROSS) * height), "white")
    for i, tile in enumerate(tiles):
        page.paste(tile, (i % ACROSS * width, i // ACROSS * height))
    return page
