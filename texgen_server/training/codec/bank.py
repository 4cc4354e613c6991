# SPDX-License-Identifier: Apache-2.0
"""Encodes prepared exemplars with a frozen codec into one bank file within a budget of bytes, for
``texgen bank build``.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from texgen.errors import InvalidRequestError
from texgen_server.bank import BankExemplar, Latents, pack_latents, write_bank
from texgen_server.layout import Family
from texgen_server.networks.codec import CELL_PX, Codec
from texgen_server.precision.autocast import exact
from texgen_server.training.codec.pixels import UNIT, Picture, PictureSet, to_picture
from texgen_server.training.exemplars.cells import read_overrides
from texgen_server.training.exemplars.families import Layout
from texgen_server.training.exemplars.pack import Pack
from texgen_server.training.exemplars.prepare import CHANNELS, Exemplar
from texgen_server.training.exemplars.sheet import lit

THUMBNAIL_PX = 96
BANK_BYTES = 40 << 20
LEAST_DRAWN = 3
"""Quality below which an exemplar stays out of random draws."""
FINE_FIRST = (
    Family.LATTICE,
    Family.ROWS,
    Family.IRREGULAR,
    Family.STOCHASTIC,
    Family.FIGURE,
    Family.FLAT,
)
"""Order in which families get their own, larger grids: structure first, flat materials last."""


@dataclass(frozen=True)
class Encoded:
    """An exemplar at one grid, compressed."""

    entry: BankExemplar
    latents: Latents
    thumbnail: bytes
    size_bytes: int


def build_bank(
    codec: Codec,
    pack: Pack,
    layouts: dict[str, Layout],
    out: Path,
    *,
    without: set[str],
    budget: int = BANK_BYTES,
) -> dict[str, Any]:
    """Encode every exemplar but ``without``; larger grids as far as the budget goes. Returns
    figures for people.

    Raises InvalidRequestError when even the small grids do not fit.
    """
    ids = [a for a in pack.ids() if a not in without]
    small = {a: encode(codec, pack.read(a, "small"), layouts[a]) for a in ids}
    total = sum(e.size_bytes for e in small.values())
    if total > budget:
        raise InvalidRequestError(
            f"the small grids alone take {total} bytes, more than the budget of {budget}"
        )
    chosen = dict(small)
    for asset_id in _fine_first(pack, layouts, ids):
        own = encode(codec, pack.read(asset_id, "own"), layouts[asset_id])
        if total + own.size_bytes - small[asset_id].size_bytes <= budget:
            total += own.size_bytes - small[asset_id].size_bytes
            chosen[asset_id] = own
    size = write_bank(out, ((e.entry, e.latents, e.thumbnail) for e in chosen.values()))
    cells = sum(e.latents.shape[0] * e.latents.shape[1] for e in chosen.values())
    latent_bytes = sum(e.size_bytes - len(e.thumbnail) for e in chosen.values())
    own_grids = sum(chosen[a] is not small[a] for a in ids)
    return {
        "exemplars": len(ids),
        "own_grids": own_grids,
        "bytes": size,
        "bits_per_cell": round(8 * latent_bytes / cells, 2),
    }


@torch.no_grad()
def encode(codec: Codec, exemplar: Exemplar, layout: Layout) -> Encoded:
    """Return the rounded latents of an exemplar and its entry in the bank."""
    picture = to_picture(exemplar, "")
    pictures = PictureSet([picture], torch.device("cpu"))
    with exact("cpu"):
        z = codec.encoder(pictures.whole(0) * pictures.known[0].view(1, -1, 1, 1)).round()[0]
    latents = z.permute(1, 2, 0).numpy().astype(np.int16)
    thumbnail = _thumbnail(exemplar)
    entry = _entry(exemplar, picture, layout, pictures.means[0].tolist())
    return Encoded(entry, latents, thumbnail, len(pack_latents(latents)) + len(thumbnail))


def _entry(
    exemplar: Exemplar, picture: Picture, layout: Layout, means: list[float]
) -> BankExemplar:
    about = exemplar.about
    override = read_overrides().get(about.asset_id)
    rows, columns = (n // CELL_PX for n in picture.pixels.shape[:2])
    normal = [name.startswith("normal") for name in CHANNELS]
    units = [
        m / UNIT - 1.0 if is_normal else m / (2.0 * UNIT)
        for m, is_normal in zip(means, normal, strict=True)
    ]
    return BankExemplar(
        asset_id=about.asset_id,
        title=about.asset_id.replace("_", " "),
        material_class=about.material_class,
        cells=(rows, columns),
        metres=about.metres,
        relief_tiles=round(about.relief_tiles, 5),
        means=tuple(round(u, 5) for u in units),
        constants=about.constants,
        quality=about.quality,
        drawn=about.quality >= LEAST_DRAWN and (override is None or override.draw),
        licence=about.licence,
        publisher=about.publisher,
        source=about.source,
        layout={
            "family": layout.family.value,
            "group": layout.group,
            "rows": asdict(layout.rows) if layout.rows else None,
            "copies": layout.copies,
            "directional": layout.directional,
            "flags": sorted(layout.flags),
        },
    )


def _thumbnail(exemplar: Exemplar) -> bytes:
    stream = io.BytesIO()
    picture = Image.fromarray(lit(exemplar.maps)).resize(
        (THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.BOX
    )
    picture.save(stream, "WEBP", quality=70, method=6)
    return stream.getvalue()


def _fine_first(pack: Pack, layouts: dict[str, Layout], ids: list[str]) -> Iterator[str]:
    """Yield exemplars that have a larger grid of their own, in the order in which they should get
    it.
    """
    larger = [
        a
        for a in ids
        if "own" in pack.grids[a]
        and layouts[a].quality >= LEAST_DRAWN
        and "blurry" not in layouts[a].flags
    ]
    yield from sorted(
        larger, key=lambda a: (FINE_FIRST.index(layouts[a].family), -layouts[a].quality, a)
    )
