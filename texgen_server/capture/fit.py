# SPDX-License-Identifier: Apache-2.0
"""The fit of a capture: some steps on the style until the statistics of frozen features agree with
the photograph's.

Statistics know no position, so nothing must be aligned, and the result tiles like any other. Needs
the extra ``capture``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from texgen_server.capture.networks import CaptureNetworks
from texgen_server.capture.target import WORK_PX, Target, features_input, luminance_spectrum
from texgen_server.material.canvas import Window
from texgen_server.material.network_inputs import build_inputs
from texgen_server.material.plan import Plan
from texgen_server.networks.channels import BASECOLOR
from texgen_server.networks.frozen_features import FrozenFeatures
from texgen_server.networks.image_statistics import tap_statistics
from texgen_server.precision.autocast import quick

Array = NDArray[np.float32]

CODE_RATE, SHIFT_RATE = 0.03, 0.02
"""Learning rates of the code, and of the shift in deviations of the style; both fall to 0 over the
second half.
"""
STAY = 0.02
"""Weight that keeps the style near where it started: what the photograph does not show (roughness,
relief) stays that of its neighbours.
"""


@dataclass
class FittedStyle:
    """The fitted values: a code, and an offset of the style that the code gives."""

    code: Tensor  # (1, code_dim)
    shift: Tensor  # (1, style_dim)

    def style(self, networks: CaptureNetworks, density: Tensor) -> Tensor:
        out: Tensor = networks.generator.mapping(self.code, density) + self.shift
        return out


def fit_style(
    networks: CaptureNetworks,
    target: Target,
    plan: Plan,
    steps: int,
    check: Callable[[], None],
    on_progress: Callable[[float], None],
) -> tuple[FittedStyle, float]:
    """Fit the code and shift whose samples have the photograph's statistics; the second value is
    the relief of the start, in tiles.
    """
    start = torch.from_numpy(plan.sources[0].code[None].copy())
    density = _density(plan)
    with torch.no_grad():
        styled = networks.generator.mapping(start, density)
        relief, unit = float(networks.generator.relief_tiles(styled)[0]), float(styled.std())
    found = FittedStyle(start.clone().requires_grad_(), torch.zeros_like(styled).requires_grad_())
    groups = [
        {"params": [found.code], "lr": CODE_RATE},
        {"params": [found.shift], "lr": SHIFT_RATE * unit},
    ]
    optimizer = torch.optim.Adam(groups, betas=(0.8, 0.95))
    scale = [s.abs().mean() + 1e-3 for s in target.statistics]
    for step in range(steps):
        check()
        for group, rate in zip(optimizer.param_groups, (CODE_RATE, SHIFT_RATE * unit), strict=True):
            group["lr"] = rate * min(1.0, 2.0 * (1.0 - step / steps))
        maps = _render(networks, plan, found.style(networks, density), step)
        stay = STAY * ((found.code - start).square().mean() + (found.shift / unit).square().mean())
        loss = _distance(networks.features, maps, target, scale) + stay
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        on_progress((step + 1) / steps)
    return FittedStyle(found.code.detach(), found.shift.detach()), relief


def _density(plan: Plan) -> Tensor:
    return torch.full((1, 1), math.log2(plan.canvas.tile_px) - 8.0)


def _distance(
    features: FrozenFeatures, maps: Tensor, target: Target, scale: list[Tensor]
) -> Tensor:
    color = maps[:, BASECOLOR]
    taps = features(features_input(color, grey=target.grey))
    terms = [
        ((a - b).abs() / s).mean()
        for a, b, s in zip(tap_statistics(taps), target.statistics, scale, strict=True)
    ]
    moments = (color.mean((0, 2, 3)) - target.mean).abs().mean() * 8.0 + (
        color.std((0, 2, 3)) - target.deviation
    ).abs().mean() * 8.0
    return (
        torch.stack(terms).mean()
        + moments
        + 0.1 * (luminance_spectrum(color) - target.spectrum).abs().mean()
    )


def _render(networks: CaptureNetworks, plan: Plan, style: Tensor, step: int) -> Tensor:
    """Render (1, 7, S, S) of a style; every step has noise of its own, so that no single noise is
    fitted.
    """
    cells, source = WORK_PX // networks.model.shape.cell_px, plan.sources[0]
    moved = replace(plan, sources=(replace(source, seed=(source.seed + step) % 2**64),))
    inputs = build_inputs(moved, networks.model.shape, Window(0, 0, cells, cells))
    tensors = [[torch.from_numpy(f) for f in group] for group in (inputs.layouts, inputs.noises)]
    with quick("cpu"):
        maps: Tensor = networks.generator(style, torch.from_numpy(inputs.start), *tensors)
    return maps


def color_correction(
    networks: CaptureNetworks, target: Target, plan: Plan, found: FittedStyle
) -> tuple[Array, Array]:
    """Return the gain and offset (3,) that give a sample the photograph's mean and deviation."""
    with torch.no_grad():
        color = torch.cat(
            [
                _render(networks, plan, found.style(networks, _density(plan)), step)[:, BASECOLOR]
                for step in range(3)
            ]
        )
    mean, deviation = color.mean((0, 2, 3)), color.std((0, 2, 3)).clamp_min(0.01)
    gain = (target.deviation / deviation).clamp(0.6, 1.7)
    return gain.numpy(), (target.mean - gain * mean).numpy()
