# SPDX-License-Identifier: Apache-2.0
"""``texgen eval codec``: a codec on held-out exemplars beside the quantised block transform at
equal bits, by family.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from texgen_server.networks.codec import Codec
from texgen_server.training.codec.evaluate import GROUPS, Figures, measure, measure_transform
from texgen_server.training.codec.pixels import PictureSet, read_pictures
from texgen_server.training.codec.transform import Transform
from texgen_server.training.codec.weights import read_codec
from texgen_server.training.exemplars.pack import Pack, read_pack
from texgen_server.training.exemplars.split import read_validation


@dataclass(frozen=True)
class CodecEval:
    """What the command line says."""

    pack: Path
    codec: Path
    transform: Path
    grid: str = "small"
    noise: bool = False
    """Feed the decoder its noise, as it is served; without it errors are those of reconstruction
    alone.
    """
    jobs: int = 2


def evaluate_codec(options: CodecEval) -> dict[str, Any]:
    """Figures of all held-out exemplars and of each family: gain in dB over the transform at equal
    bits, bits, power of the top octave.
    """
    pack = read_pack(options.pack)
    held = [a for a in pack.ids() if a in read_validation() and options.grid in pack.grids[a]]
    pictures = PictureSet(
        read_pictures(pack, [(a, options.grid) for a in held], options.jobs), torch.device("cpu")
    )
    return compare(
        read_codec(options.codec),
        Transform.load(options.transform),
        pictures,
        pack,
        noise=options.noise,
    )


def compare(
    codec: Codec, transform: Transform, pictures: PictureSet, pack: Pack, *, noise: bool
) -> dict[str, Any]:
    """The same of pictures that are there already."""
    rows = list(range(len(pictures)))
    found = measure(codec, pictures, rows, 1 if noise else None)
    linear = measure_transform(transform, pictures, rows, [f.bits for f in found])
    families: dict[str, list[tuple[Figures, Figures]]] = {}
    for pair in zip(found, linear, strict=True):
        families.setdefault(pack.about[pair[0].asset_id].family, []).append(pair)
    each = {
        f.asset_id: round(f.mean_psnr - base.mean_psnr, 2)
        for f, base in zip(found, linear, strict=True)
    }
    return {
        "all": _row(list(zip(found, linear, strict=True))),
        "families": {name: _row(pairs) for name, pairs in sorted(families.items())},
        "gain_db_by_exemplar": dict(sorted(each.items(), key=lambda item: item[1])),
    }


def _row(pairs: list[tuple[Figures, Figures]]) -> dict[str, float]:
    gains = {
        name: [f.psnr[name] - base.psnr[name] for f, base in pairs if name in f.psnr]
        for name in GROUPS
    }
    row = {"exemplars": float(len(pairs)), "bits": float(np.mean([f.bits for f, _ in pairs]))}
    row["gain_db"] = float(np.nanmean([f.mean_psnr - base.mean_psnr for f, base in pairs]))
    row |= {f"{name}_gain_db": float(np.mean(values)) for name, values in gains.items() if values}
    for name in GROUPS:
        power = [f.top_octave[name] for f, _ in pairs if name in f.top_octave]
        if power:
            row[f"{name}_top_octave"] = float(np.median(power))
    return {key: round(value, 3) for key, value in row.items()}
