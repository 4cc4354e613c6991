# SPDX-License-Identifier: Apache-2.0
"""The upscaler on held-out scans: beside bicubic, Lanczos and Real-ESRGAN x4plus where it enlarges,
non-local means where it cleans.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.progress import track
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from texgen.maps import MapKind
from texgen.modelcard import find_card
from texgen_server.backends import load_backend
from texgen_server.networks.channels import CLEAN_SCALE, MAP_CHANNELS, SCALES
from texgen_server.registry import load_model
from texgen_server.training.runner import StepwiseEval
from texgen_server.training.upscaler.data import MAPS, FullScans, through_jpeg
from texgen_server.training.upscaler.figure_cache import Figures, KeptFigures
from texgen_server.training.upscaler.image_metrics import FeatureDistance, compare
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
from texgen_server.upscaling.tiled import TiledUpscaler

LEAST_DEVIATION = 0.5 / 255.0
SPOILED_QUALITY, SPOILED_NOISE = 60, 0.02
"""What x1 is measured on: noise of this deviation, then every map saved as JPEG."""


def evaluate_upscaler(options: StepwiseEval, held: list[int], scans: FullScans) -> dict[str, Any]:
    """Means over the held-out scans: "method scale" -> map -> figures; and by how many dB the
    upscaler leads on each map.

    Figures are kept in ``work/upscaler_eval.jsonl`` as they come; what is there is not measured
    again.
    """
    card = find_card(options.model, options.models)
    backend = load_backend(load_model(card), options.device, "auto", options.cache)
    halo = int(card.network["halo_px"])

    def ours(small: dict[str, Picture], scale: int) -> dict[str, Picture]:
        made = TiledUpscaler(backend, halo, scale).maps(
            {MapKind(k): to_pixels(k, v) for k, v in small.items()}
        )
        return {str(k): from_pixels(v) for k, v in made.items()}

    judge = _Judge(
        scans,
        held,
        KeptFigures(options.work / "upscaler_eval.jsonl"),
        f"texgen {card.digest} {backend.name}",
    )
    result: dict[str, Any] = {
        "model": card.id,
        "digest": card.digest,
        "engine": backend.name,
        "scans": len(held),
    }
    for scale in (*SCALES, CLEAN_SCALE):
        chosen = _methods(ours, scale)
        figures = {name: judge.means(name, method, scale) for name, method in chosen.items()}
        result |= {f"{name} x{scale}": means for name, means in figures.items()}
        result[f"texgen's lead x{scale}"] = _leads(figures)
        if options.pictures:
            from texgen_server.training.upscaler.crops import draw_crops

            draw_crops(chosen, scans, held, scale, options.pictures)
    return result


def _methods(ours: Method, scale: int) -> dict[str, Method]:
    if scale == CLEAN_SCALE:
        return {"as it came": unchanged, "non-local means": non_local_means, "texgen": ours}
    filters = {
        "bicubic": by_filter(Image.Resampling.BICUBIC),
        "lanczos": by_filter(Image.Resampling.LANCZOS),
    }
    peer = real_esrgan() if scale == 4 else None
    return {**filters, "texgen": ours, **({"Real-ESRGAN x4plus": peer} if peer else {})}


class _Judge:
    """Runs methods over the held-out scans and tells on stderr how far it is."""

    def __init__(self, scans: FullScans, held: list[int], kept: KeptFigures, own_key: str) -> None:
        self.scans, self.held, self.kept, self.own_key = scans, held, kept, own_key
        self.distance = FeatureDistance()
        self.console = Console(stderr=True)

    def means(self, name: str, method: Method, scale: int) -> Figures:
        """Mean figures of each map over the scans that have it."""
        key = self.own_key if name == "texgen" else name
        rows: dict[str, list[dict[str, float]]] = {}
        for index in track(self.held, f"{name} x{scale}", console=self.console):
            asset = self.scans.assets[index]
            for kind, figures in self.kept.get(
                key, scale, asset, partial(self._measure, method, index, scale)
            ).items():
                rows.setdefault(kind, []).append(figures)
        means = {
            kind: {figure: float(np.mean([r[figure] for r in each])) for figure in each[0]}
            for kind, each in rows.items()
        }
        self.console.print(
            f"{name} x{scale}: "
            + ", ".join(f"{kind} {f['psnr_db']:.2f} dB" for kind, f in means.items()),
            highlight=False,
        )
        return means

    def _measure(self, method: Method, index: int, scale: int) -> Figures:
        real, small = pair(self.scans, index, scale)
        made = method(small, scale)
        figures = {name: compare(name, made[name], real[name]) for name in made}
        if "basecolor" in made:
            figures["basecolor"]["lite1_distance"] = self.distance(
                made["basecolor"], real["basecolor"]
            )
        return figures


def _leads(figures: dict[str, Figures]) -> dict[str, float]:
    """Map -> dB over the best of all other methods."""
    best = {
        m: max(f[m]["psnr_db"] for name, f in figures.items() if name != "texgen" and m in f)
        for m in figures["texgen"]
    }
    return {m: f["psnr_db"] - best[m] for m, f in figures["texgen"].items()}


def pair(scans: FullScans, index: int, scale: int) -> tuple[dict[str, Picture], dict[str, Picture]]:
    """A whole scan and what is to be enlarged or cleaned, as files would hold them: name -> (H, W,
    C) in [0, 1].
    """
    full = scans.whole(index)
    known = scans.known[index] & _varied(full)
    given = (
        torch.cat(list(_spoiled(full, index)))
        if scale == CLEAN_SCALE
        else F.avg_pool2d(full, scale)
    )
    return _split(full, known), _split(given, known)


def _varied(maps: Tensor) -> Tensor:
    """(6,) whether a map has anything to enlarge: more than rounding makes of a constant."""
    return torch.stack(
        [
            planes.std((1, 2)).max() > LEAST_DEVIATION
            for planes in maps.split(list(MAP_CHANNELS.values()))
        ]
    )


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
            out[name] = from_pixels(
                to_pixels(name, _whole_normal(plane) if name == "normal" else plane)
            )
        first += channels
    return out


def _whole_normal(xy: Picture) -> Picture:
    """X and y in [0, 1] -> unit normals in [0, 1]."""
    flat = xy * 2.0 - 1.0
    z = np.sqrt(np.maximum(1.0 - (flat * flat).sum(-1, keepdims=True), 0.0))
    return np.concatenate([xy, z * 0.5 + 0.5], -1)
