# SPDX-License-Identifier: Apache-2.0
"""Finds latent directions, named by their measured effect.

Each attribute below is a differentiable measure of finished maps. Its gradient with respect to the
style, averaged over many materials, is a row of a Jacobian J; the direction of attribute k is the
smallest step d with J d = e_k, so that it moves its own attribute and, to first order, none of the
others. One unit of the control is the step that moves the attribute by `UNIT` deviations between
materials, or the longest step that samples bear (`MAX_STEP`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from texgen.recipes.build import make_recipe
from texgen_server.material.canvas import Window
from texgen_server.material.network_inputs import build_inputs
from texgen_server.material.sampling import make_plan
from texgen_server.networks.channels import BASECOLOR, HEIGHT, ROUGHNESS
from texgen_server.networks.material import MaterialGenerator
from texgen_server.networks.torch_parts import build_generator
from texgen_server.registry import MaterialModel

SIZE_PX = 128
SEEDS_PER_CLASS = 2
UNIT = 1.0
MAX_STEP = 0.8
"""Longest step, in deviations of the style between materials."""


def _lightness(maps: Tensor) -> Tensor:
    return maps[:, BASECOLOR].mean(1)


def _coarse(maps: Tensor) -> Tensor:
    """Return the share of the height's deviation that is left after averaging over 8 px."""
    height = maps[:, HEIGHT, None]
    return F.avg_pool2d(height, 8).flatten(1).std(1) / height.flatten(1).std(1).clamp_min(1e-3)


ATTRIBUTES: dict[str, Callable[[Tensor], Tensor]] = {
    "wetness": lambda maps: -maps[:, ROUGHNESS].mean((1, 2)) - 0.5 * _lightness(maps).mean((1, 2)),
    "wear": lambda maps: maps[:, ROUGHNESS].flatten(1).std(1) + _lightness(maps).flatten(1).std(1),
    "moss": lambda maps: (maps[:, 1] - 0.5 * (maps[:, 0] + maps[:, 2])).mean((1, 2)),
    "age": lambda maps: (0.5 * (maps[:, 0] + maps[:, 1]) - maps[:, 2]).mean((1, 2)),
    "coarseness": _coarse,
}
"""Name of the control -> function from maps (B, 7, H, W) in [0, 1] to (B,)."""


@dataclass(frozen=True)
class Samples:
    """Materials to measure on: styles (N, D) and the fields of each."""

    styles: Tensor
    fields: list[tuple[Tensor, list[Tensor], list[Tensor]]]


def find_directions(model: MaterialModel) -> dict[str, NDArray[np.float32]]:
    """Return a direction (style_dim,) for each attribute, scaled to one unit of its control."""
    torch.manual_seed(0)
    generator = build_generator(model.params, model.weights)
    samples = draw_samples(model, generator)
    jacobian = _jacobian(generator, samples)
    spread = samples.styles.std(0).mean()
    raw = torch.linalg.pinv(jacobian, rtol=1e-3)  # (D, attributes)
    before = measure(generator, samples, torch.zeros(samples.styles.shape[1]))
    out = {}
    for k, name in enumerate(ATTRIBUTES):
        direction = raw[:, k] / raw[:, k].norm() * spread * samples.styles.shape[1] ** 0.5
        trial = 0.25
        moved = (
            measure(generator, samples, direction * trial)[k]
            - measure(generator, samples, -direction * trial)[k]
        ).mean() / (2 * trial)
        step = min(MAX_STEP, UNIT * float(before[k].std()) / max(1e-6, float(moved)))
        out[name] = (direction * step).numpy().astype(np.float32)
    return out


def draw_samples(model: MaterialModel, generator: MaterialGenerator) -> Samples:
    """Make some samples of every class."""
    styles, fields = [], []
    for c in model.card.classes:
        for seed in range(SEEDS_PER_CLASS if not c.preset else 1):
            plan = make_plan(
                make_recipe(model.card, [(c.name, 1.0)], seed, (SIZE_PX, SIZE_PX)),
                model.tables,
                model.shape,
            )
            assert plan.canvas.period is not None
            made = build_inputs(plan, model.shape, Window(0, 0, *plan.canvas.period))
            density = torch.full((1, 1), float(np.log2(plan.canvas.tile_px)) - 8.0)
            with torch.no_grad():
                styles.append(
                    generator.mapping(torch.from_numpy(plan.sources[0].code[None].copy()), density)
                )
            layouts, noises = (
                [torch.from_numpy(f) for f in group] for group in (made.layouts, made.noises)
            )
            fields.append((torch.from_numpy(made.start), layouts, noises))
    return Samples(torch.cat(styles), fields)


def measure(generator: MaterialGenerator, samples: Samples, shift: Tensor) -> Tensor:
    """Return (attributes, N): every attribute of every sample with its style moved by ``shift``
    (D,).
    """
    rows = []
    with torch.no_grad():
        for style, fields in zip(samples.styles, samples.fields, strict=True):
            maps = generator((style + shift)[None], *fields)
            rows.append(torch.cat([attribute(maps) for attribute in ATTRIBUTES.values()]))
    return torch.stack(rows, 1)


def _jacobian(generator: MaterialGenerator, samples: Samples) -> Tensor:
    """Return (attributes, D): the mean gradient, each attribute in units of its deviation between
    samples.
    """
    rows = []
    for style, fields in zip(samples.styles, samples.fields, strict=True):
        leaf = style[None].clone().requires_grad_()
        maps = generator(leaf, *fields)
        values = [attribute(maps).sum() for attribute in ATTRIBUTES.values()]
        rows.append(
            torch.stack([torch.autograd.grad(v, leaf, retain_graph=True)[0][0] for v in values])
        )
    deviation = measure(generator, samples, torch.zeros(samples.styles.shape[1])).std(
        1, keepdim=True
    )
    return torch.stack(rows).mean(0) / deviation
