# SPDX-License-Identifier: Apache-2.0
"""Measures the upscaler on held-out scans: beside bicubic, Lanczos and Real-ESRGAN x4plus where it
enlarges, beside non-local means where it cleans.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.progress import track

from texgen.maps import MapKind, to_unit
from texgen.modelcard import find_card
from texgen_server.backends import load_backend
from texgen_server.networks.channels import CLEAN_SCALE, SCALES
from texgen_server.registry import load_model
from texgen_server.training.devices import evaluation_device
from texgen_server.training.runner import EvalOptions
from texgen_server.training.upscaler.crops import draw_crops
from texgen_server.training.upscaler.figure_cache import FigureCache, Figures
from texgen_server.training.upscaler.held_out import held_out_pair
from texgen_server.training.upscaler.image_metrics import FeatureDistance, compare
from texgen_server.training.upscaler.methods import (
    UNCHANGED,
    Method,
    Picture,
    by_filter,
    non_local_means,
    real_esrgan,
    to_pixels,
    unchanged,
)
from texgen_server.training.upscaler.scans import FullScans
from texgen_server.upscaling.tiled import TiledUpscaler

OURS = "texgen"
"""Name of the upscaler among the methods."""
CACHE_FILE = "upscaler_eval.jsonl"


def evaluate_upscaler(options: EvalOptions, held: list[int], scans: FullScans) -> dict[str, Any]:
    """Return means over the held-out scans: "method scale" -> map -> figures; and by how many dB
    the upscaler leads on each map.

    Figures are kept in ``work/upscaler_eval.jsonl`` as they are measured, and not measured again.
    """
    card = find_card(options.model, options.models)
    backend = load_backend(load_model(card), options.device, "auto", options.cache)
    halo = int(card.network["halo_px"])

    def ours(small: dict[str, Picture], scale: int) -> dict[str, Picture]:
        pixels = {MapKind(k): to_pixels(k, v) for k, v in small.items()}
        made = TiledUpscaler(backend, halo, scale).maps(pixels)
        return {str(k): to_unit(v) for k, v in made.items()}

    cache = FigureCache(options.work / CACHE_FILE)
    own_key = f"{OURS} {card.digest} {backend.name}"
    judge = _Judge(scans, held, cache, own_key, evaluation_device(options.device))
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
            draw_crops(chosen, scans, held, scale, options.pictures)
    return result


def _methods(ours: Method, scale: int) -> dict[str, Method]:
    """Return the methods that are measured at a scale, by name."""
    if scale == CLEAN_SCALE:
        return {UNCHANGED: unchanged, "non-local means": non_local_means, OURS: ours}
    filters = {
        "bicubic": by_filter(Image.Resampling.BICUBIC),
        "lanczos": by_filter(Image.Resampling.LANCZOS),
    }
    peer = real_esrgan() if scale == 4 else None
    return {**filters, OURS: ours, **({"Real-ESRGAN x4plus": peer} if peer else {})}


class _Judge:
    """Runs methods over the held-out scans and shows the progress on stderr."""

    def __init__(
        self,
        scans: FullScans,
        held: list[int],
        cache: FigureCache,
        own_key: str,
        device: torch.device,
    ) -> None:
        self.scans, self.held, self.cache, self.own_key = scans, held, cache, own_key
        self.distance = FeatureDistance(device)
        self.console = Console(stderr=True)

    def means(self, name: str, method: Method, scale: int) -> Figures:
        """Return the mean figures of each map over the scans that have it."""
        key = self.own_key if name == OURS else name
        rows: dict[str, list[dict[str, float]]] = {}
        for index in track(self.held, f"{name} x{scale}", console=self.console):
            measure = partial(self._measure, method, index, scale)
            found = self.cache.get(key, scale, self.scans.assets[index], measure)
            for kind, figures in found.items():
                rows.setdefault(kind, []).append(figures)
        means = {
            kind: {figure: float(np.mean([r[figure] for r in each])) for figure in each[0]}
            for kind, each in rows.items()
        }
        text = ", ".join(f"{kind} {f['psnr_db']:.2f} dB" for kind, f in means.items())
        self.console.print(f"{name} x{scale}: {text}", highlight=False)
        return means

    def _measure(self, method: Method, index: int, scale: int) -> Figures:
        real, small = held_out_pair(self.scans, index, scale)
        made = method(small, scale)
        figures = {name: compare(name, made[name], real[name]) for name in made}
        if "basecolor" in made:
            distance = self.distance(made["basecolor"], real["basecolor"])
            figures["basecolor"]["lite1_distance"] = distance
        return figures


def _leads(figures: dict[str, Figures]) -> dict[str, float]:
    """Return for each map the dB by which the upscaler is ahead of the best other method."""
    best = {
        m: max(f[m]["psnr_db"] for name, f in figures.items() if name != OURS and m in f)
        for m in figures[OURS]
    }
    return {m: f["psnr_db"] - best[m] for m, f in figures[OURS].items()}
