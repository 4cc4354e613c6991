# SPDX-License-Identifier: Apache-2.0
"""The upscaler on held-out scans: beside bicubic, Lanczos and Real-ESRGAN x4plus where it enlarges, non-local means where it cleans."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from texgen.maps import MapKind
from texgen.modelcard import find_card
from texgen_server.backends import load_backend
from texgen_server.channels import CLEAN_SCALE, MAP_CHANNELS, SCALES
from texgen_server.registry import load_model
from texgen_server.training.upscaler.data import MAPS, FullScans, through_jpeg
from texgen_server.training.upscaler.figures import FeatureDistance, compare
from texgen_server.training.upscaler.methods import (
    Method,
    Picture,
    by_filter,
    from_pixels,
    non_local_means,
    real_esrgan,
    to_pixels,
    unchanged,
)
from texgen_server.upscaling import Upscaling

SPOILED_QUALITY, SPOILED_NOISE = 60, 0.02
"""What x1 is measured on: noise of this deviation, then every map saved as JPEG."""


@dataclass(frozen=True)
class UpscalerEval:
    """What the command line says."""

    work: Path
    cache: Path
    models: Path | None = None
    model: str = "upscaler"
    device: str = "auto"
    pictures: Path | None = None
    """Where ``crops.webp`` and ``cleaned.webp`` go; None: nowhere."""


def evaluate_upscaler(options: UpscalerEval, held: list[int], scans: FullScans) -> dict[str, Any]:
    """Means over the held-out scans: "method scale" -> map -> figures; and by how many dB the upscaler leads on each map."""
    card = find_card(options.model, options.models)
    backend = load_backend(load_model(card), options.device, "auto", options.cache)
    halo = int(card.network["halo_px"])

    def ours(small: dict[str, Picture], scale: int) -> dict[str, Picture]:
        made = Upscaling(backend, halo, scale).maps({MapKind(k): to_pixels(k, v) for k, v in small.items()})
        return {str(k): from_pixels(v) for k, v in made.items()}

    distance = FeatureDistance()
    result: dict[str, Any] = {"model": card.id, "digest": card.digest, "engine": backend.name, "scans": len(held)}
    for scale in (*SCALES, CLEAN_SCALE):
        chosen = _methods(ours, scale)
        figures = {name: _figures(method, scans, held, scale, distance) for name, method in chosen.items()}
        result |= {f"{name} x{scale}": means for name, means in figures.items()}
        result[f"texgen's lead x{scale}"] = _leads(figures)
        if options.pictures:
            from texgen_server.training.upscaler.crops import draw_crops

            draw_crops(chosen, scans, held, scale, options.pictures)
    return result


def _methods(ours: Method, scale: int) -> dict[str, Method]:
    if scale == CLEAN_SCALE:
        return {"as it came": unchanged, "non-local means": non_local_means, "texgen": ours}
    filters = {"bicubic": by_filter(Image.Resampling.BICUBIC), "lanczos": by_filter(Image.Resampling.LANCZOS)}
    peer = real_esrgan() if scale == 4 else None
    return {**filters, **({"Real-ESRGAN x4plus": peer} if peer else {}), "texgen": ours}


def _figures(method: Method, scans: FullScans, held: list[int], scale: int, distance: FeatureDistance) -> dict[str, dict[str, float]]:
    rows: dict[str, list[dict[str, float]]] = {}
    for index in held:
        real, small = pair(scans, index, scale)
        made = method(small, scale)
        for name in made:
            figures = compare(name, made[name], real[name])
            if name == "basecolor":
                figures["lite1_distance"] = distance(made[name], real[name])
            rows.setdefault(name, []).append(figures)
    return {name: {key: float(np.mean([r[key] for r in each])) for key in each[0]} for name, each in rows.items()}


def _leads(figures: dict[str, dict[str, dict[str, float]]]) -> dict[str, float]:
    """Map -> dB over the best of all other methods."""
    best = {m: max(f[m]["psnr_db"] for name, f in figures.items() if name != "texgen" and m in f) for m in figures["texgen"]}
    return {m: f["psnr_db"] - best[m] for m, f in figures["texgen"].items()}


def pair(scans: FullScans, index: int, scale: int) -> tuple[dict[str, Picture], dict[str, Picture]]:
    """A whole scan and what is to be enlarged or cleaned, as files would hold them: name -> (H, W, C) in [0, 1]."""
    full = scans.whole(index)
    given = torch.cat(list(_spoiled(full, index))) if scale == CLEAN_SCALE else F.avg_pool2d(full, scale)
    return _split(full, scans.known[index]), _split(given, scans.known[index])


def _spoiled(maps: Tensor, seed: int) -> Iterator[Tensor]:
    noise = torch.randn(maps.shape, generator=torch.Generator().manual_seed(seed))
    for planes in (maps + SPOILED_NOISE * noise).clamp(0.0, 1.0).split(list(MAP_CHANNELS.values())):
        yield through_jpeg(planes, SPOILED_QUALITY)


def _split(maps: Tensor, known: Tensor) -> dict[str, Picture]:
    out, first = {}, 0
    for i, name in enumerate(MAPS):
        channels = MAP_CHANNELS[name]
        if known[i]:
            plane = maps[first : first + channels].permute(1, 2, 0).numpy()
            out[name] = from_pixels(to_pixels(name, _whole_normal(plane) if name == "normal" else plane))
        first += channels
    return out


def _whole_normal(xy: Picture) -> Picture:
    """X and y in [0, 1] -> unit normals in [0, 1]."""
    flat = xy * 2.0 - 1.0
    z = np.sqrt(np.maximum(1.0 - (flat * flat).sum(-1, keepdims=True), 0.0))
    return np.concatenate([xy, z * 0.5 + 0.5], -1)
