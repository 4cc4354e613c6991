# SPDX-License-Identifier: Apache-2.0
"""Measures a codec on held-out exemplars beside the quantised block transform at equal bits, by
family.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from texgen_server.networks.codec import Codec
from texgen_server.training.codec.evaluate import GROUPS, Figures, measure, measure_transform
from texgen_server.training.codec.pixels import PictureSet, read_pictures
from texgen_server.training.codec.transform import Transform
from texgen_server.training.codec.weights import read_codec
from texgen_server.training.devices import evaluation_device
from texgen_server.training.exemplars.pack import Pack, read_pack
from texgen_server.training.exemplars.split import read_validation

NOISE_SEED = 1


@dataclass(frozen=True)
class CodecEvalOptions:
    """The command line of ``texgen eval codec``."""

    pack: Path
    codec: Path
    transform: Path
    grid: str = "small"
    noise: bool = False
    """Give the decoder its noise, as it is served; without it errors are those of reconstruction
    alone.
    """
    jobs: int = 2
    device: str = "auto"


def evaluate_codec(options: CodecEvalOptions) -> dict[str, Any]:
    """Return figures of all held-out exemplars and of each family: gain in dB over the transform at
    equal bits, bits, power of the top octave.
    """
    device = evaluation_device(options.device)
    pack = read_pack(options.pack)
    held = [a for a in pack.ids() if a in read_validation() and options.grid in pack.grids[a]]
    found = read_pictures(pack, [(a, options.grid) for a in held], options.jobs)
    codec = read_codec(options.codec).to(device)
    transform = Transform.load(options.transform)
    return compare(codec, transform, PictureSet(found, device), pack, noise=options.noise)


def compare(
    codec: Codec, transform: Transform, pictures: PictureSet, pack: Pack, *, noise: bool
) -> dict[str, Any]:
    """Return the figures of `evaluate_codec` for pictures on the codec's device."""
    rows = list(range(len(pictures)))
    found = measure(codec, pictures, rows, NOISE_SEED if noise else None)
    linear = measure_transform(transform, pictures, rows, [f.bits for f in found])
    pairs = list(zip(found, linear, strict=True))
    families: dict[str, list[tuple[Figures, Figures]]] = {}
    for pair in pairs:
        families.setdefault(pack.about[pair[0].asset_id].family, []).append(pair)
    gains = {f.asset_id: round(f.mean_psnr - base.mean_psnr, 2) for f, base in pairs}
    return {
        "all": _row(pairs),
        "families": {name: _row(own) for name, own in sorted(families.items())},
        "gain_db_by_exemplar": dict(sorted(gains.items(), key=lambda item: item[1])),
    }


def _row(pairs: list[tuple[Figures, Figures]]) -> dict[str, float]:
    """Return mean figures of exemplars, each with its figures under the block transform."""
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
