# SPDX-License-Identifier: Apache-2.0
"""Runs ``texgen bench upscaler``: seconds for all six maps, x2 and x4, beside Real-ESRGAN x4plus's
arithmetic on one of them, in one run.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from texgen.maps import MAP_SPECS, MATERIAL_MAPS, MapKind, Pixels
from texgen.modelcard import find_card
from texgen_server.backends import load_backend
from texgen_server.bench.clock import gemm_flops_per_s, seconds
from texgen_server.bench.peers import RrdbSized
from texgen_server.networks.channels import SCALES
from texgen_server.precision import allowed
from texgen_server.precision.autocast import TYPES
from texgen_server.registry import load_model
from texgen_server.upscaling.tiled import TiledUpscaler

PEER_PX = 128
"""Edge of the peer's input; its time grows with the area."""


@dataclass(frozen=True)
class UpscalerBench:
    """The command line of ``texgen bench upscaler``."""

    models: Path | None
    cache: Path
    size_px: int = 1024
    rounds: int = 3


def bench_upscaler(options: UpscalerBench) -> dict[str, Any]:
    """Return rows for each engine and scale with seconds a set, and the peer for the same area and
    one map.
    """
    card = find_card("upscaler", options.models)
    model, halo = load_model(card), int(card.network["halo_px"])
    device = "cuda" if torch.cuda.is_available() else "cpu"
    maps, rows = _maps(options.size_px), []
    engine = "cuda" if device == "cuda" else "openvino"
    for precision in allowed(engine):
        backend = load_backend(model, engine, precision, options.cache)
        for scale in SCALES:
            upscaling = TiledUpscaler(backend, halo, scale)
            spent = seconds(lambda u=upscaling: u.maps(maps), rounds=options.rounds)  # type: ignore[misc]
            rows.append(
                {
                    "engine": backend.name,
                    "from_px": options.size_px,
                    "scale": scale,
                    "s_per_set": round(spent, 2),
                }
            )
        backend.close()
    return {
        "rows": rows,
        "gemm_peak_gflop_s": round(gemm_flops_per_s(device, allowed(engine)[0]) / 1e9, 1),
        "peer": _peer(device, options, rows),
    }


def _maps(size_px: int) -> dict[MapKind, Pixels]:
    rng = np.random.default_rng(0)
    return {
        k: rng.integers(0, 256, (size_px, size_px, s.channels)).astype(s.dtype)
        for k, s in MAP_SPECS.items()
        if k in MATERIAL_MAPS
    }


def _peer(device: str, options: UpscalerBench, rows: list[dict[str, Any]]) -> dict[str, Any]:
    precision = allowed("cuda" if device == "cuda" else "torch")[0]
    net = RrdbSized().eval().to(device, TYPES[precision], memory_format=torch.channels_last)  # type: ignore[call-overload]
    x = torch.zeros(1, 3, PEER_PX, PEER_PX, device=device, dtype=TYPES[precision])
    with torch.inference_mode():
        spent = seconds(lambda: net(x), rounds=1) * (options.size_px / PEER_PX) ** 2
    ours = next(r["s_per_set"] for r in rows if r["scale"] == 4)
    return {
        f"RRDB x4 sized, torch {precision}, s for one map of that size": round(spent, 1),
        "one map of it / our whole set": round(spent / ours, 1),
    }
