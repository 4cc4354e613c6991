# SPDX-License-Identifier: Apache-2.0
"""Runs ``texgen bench material``: ms per set of maps, share of the machine's peak, and ratios to
networks of the peers' size, in one run.
"""

from __future__ import annotations

import functools
import gc
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from texgen.modelcard import find_card
from texgen.recipes.build import make_recipe
from texgen_server.backend import Backend
from texgen_server.backends import load_backend
from texgen_server.bench.clock import flops, gemm_flops_per_s, seconds
from texgen_server.bench.peers import DIFFUSION_STEPS, StyleGan2Sized, diffusion_sized
from texgen_server.material.canvas import Window
from texgen_server.material.network_inputs import NetworkInputs, build_inputs
from texgen_server.material.sampling import make_plan
from texgen_server.material.synthesis import Synthesis, run_head, run_trunk
from texgen_server.networks.torch_parts import build_generator
from texgen_server.precision import allowed
from texgen_server.precision.autocast import TYPES
from texgen_server.registry import MaterialModel, load_material

MAX_BATCH_PIXELS = 2048 * 2048
PEER_PX = 1024


@dataclass(frozen=True)
class MaterialBench:
    """The command line of ``texgen bench material``."""

    models: Path | None
    cache: Path
    sizes: tuple[int, ...] = (256, 512, 1024, 2048)
    batches: tuple[int, ...] = (1, 8)
    rounds: int = 5
    peers: bool = True


def bench_material(options: MaterialBench) -> dict[str, Any]:
    """Return rows for each engine, size and batch with ms per set, GFLOP/s and share of the peak,
    and the peers with the ratios to them.
    """
    model = load_material(find_card("material", options.models))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    engines = _engines(device)
    precisions = {precision for _, precision in engines}
    peak = {precision: gemm_flops_per_s(device, precision) for precision in precisions}
    work = flops_per_pixel(model)
    rows = []
    for kind, precision in engines:
        backend = load_backend(model, kind, precision, options.cache)
        for size, batch in _sizes_and_batches(options):
            row = _network_row(model, backend, size, batch, options.rounds, work, peak[precision])
            if batch == 1:
                row["ms_recipe_to_maps"] = _recipe_to_maps_ms(model, backend, size, options.rounds)
            rows.append(row)
        backend.close()
        gc.collect()
    report: dict[str, Any] = {
        "threads": torch.get_num_threads(),
        "gemm_peak_gflop_s": {k: round(v / 1e9, 1) for k, v in peak.items()},
        "gflop_per_megapixel": round(work * 1e-9 * 2**20, 1),
        "rows": rows,
    }
    if options.peers:
        edge = max(s for s in options.sizes if s <= PEER_PX)
        fastest = min(r["ms_per_set"] for r in rows if r["size_px"] == edge)
        report["peers"] = _peers(options.rounds, fastest)
    return report


def _sizes_and_batches(options: MaterialBench) -> list[tuple[int, int]]:
    """Return the pairs of size and batch that fit into `MAX_BATCH_PIXELS`."""
    return [
        (size, batch)
        for size in options.sizes
        for batch in options.batches
        if batch == 1 or size * size * batch <= MAX_BATCH_PIXELS
    ]


def flops_per_pixel(model: MaterialModel) -> float:
    """Return the floating-point operations of the generator a pixel."""
    generator = build_generator(model.params, model.weights)
    fields = _fields(model, 256)
    tensors = [[torch.from_numpy(f) for f in group] for group in (fields.layouts, fields.noises)]
    style = torch.zeros(1, model.shape.style_dim)
    return flops(lambda: generator(style, torch.from_numpy(fields.start), *tensors)) / 256**2


def _engines(device: str) -> list[tuple[str, str]]:
    """Return device and precision of all engines of this machine."""
    kinds = ("cuda",) if device == "cuda" else ("openvino", "torch")
    return [(kind, precision) for kind in kinds for precision in allowed(kind)]


def _fields(model: MaterialModel, size: int) -> NetworkInputs:
    plan = make_plan(
        make_recipe(model.card, [(model.card.classes[0].name, 1.0)], 1, (size, size)),
        model.tables,
        model.shape,
    )
    assert plan.canvas.period is not None
    return build_inputs(plan, model.shape, Window(0, 0, *plan.canvas.period))


def _network_row(
    model: MaterialModel,
    backend: Backend,
    size: int,
    batch: int,
    rounds: int,
    work: float,
    peak: float,
) -> dict[str, Any]:
    """Measure one pass of the network for a batch; ``work`` is its operations a pixel."""
    one = _fields(model, size)
    style = np.zeros((batch, model.shape.levels, model.shape.style_dim), np.float32)
    layouts, noises = (
        [np.repeat(f, batch, 0) for f in group] for group in (one.layouts, one.noises)
    )
    many = replace(
        one,
        start=np.repeat(one.start, batch, 0),
        layouts=layouts,
        noises=noises,
        guide=np.repeat(one.guide, batch, 0),
    )
    spent = seconds(lambda: run_head(backend, run_trunk(backend, style, many), many), rounds=rounds)
    rate = work * size**2 * batch / spent
    return {
        "engine": backend.name,
        "size_px": size,
        "batch": batch,
        "ms_per_set": round(spent / batch * 1e3, 2),
        "gflop_s": round(rate / 1e9, 1),
        "of_gemm_peak": round(rate / peak, 3),
    }


def _recipe_to_maps_ms(model: MaterialModel, backend: Backend, size: int, rounds: int) -> float:
    """Measure everything from a recipe to finished maps, the coarse pass included, in ms."""
    recipe = make_recipe(model.card, [(model.card.classes[0].name, 1.0)], 1, (size, size))
    synthesis = Synthesis(backend, model.shape)

    def work() -> None:
        synthesis.maps(make_plan(recipe, model.tables, model.shape))

    return round(seconds(work, rounds=rounds) * 1e3, 2)


def _peers(rounds: int, ours_ms: float) -> dict[str, Any]:
    """Measure peers at 1024 px (StyleGAN2 size) and 512 px (diffusion size), and the number of our
    1024 px sets that fit into each.
    """
    peers: dict[str, Any] = {}
    has = allowed("torch")
    for precision in reversed(has):
        dtype = TYPES[precision]
        net = StyleGan2Sized(PEER_PX).eval().to(dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        x = torch.randn(1, 512, 4, 4, dtype=dtype)
        with torch.inference_mode():
            spent = seconds(functools.partial(net, x), rounds=rounds) * 1e3
        peers[f"StyleGAN2-F sized, 1024 px RGB, torch {precision}"] = {
            "ms": round(spent, 1),
            "ratio": round(spent / ours_ms, 1),
        }
    diffusion = diffusion_sized(TYPES[has[0]])
    if diffusion:
        step, decode = (seconds(work, rounds=1) * 1e3 for work in diffusion)
        spent = DIFFUSION_STEPS * step + decode
        peers[f"SD 1.5 sized, 512 px RGB, 20 steps + VAE, torch {has[0]}"] = {
            "ms": round(spent),
            "ratio": round(spent / ours_ms, 1),
        }
    else:
        peers["SD 1.5 sized"] = "not measured: pip install 'texgen[bench]'"
    return peers
