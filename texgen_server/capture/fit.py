# SPDX-License-Identifier: Apache-2.0
"""A photograph -> a recipe: the nearest training materials, then some steps on the style until the
statistics of frozen features agree.

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
from torch.nn import functional as F  # noqa: N812

from texgen.recipes.build import capture_recipe, make_recipe
from texgen.recipes.recipe import Captured, Recipe
from texgen_server.capture.photo_waves import photo_layout
from texgen_server.material.canvas import Window
from texgen_server.material.network_inputs import build_inputs
from texgen_server.material.plan import Layout, Plan
from texgen_server.material.sampling import make_plan, plain_source
from texgen_server.networks.frozen_features import FrozenFeatures
from texgen_server.networks.image_statistics import radial_spectrum, tap_moments, tap_statistics
from texgen_server.networks.layers import channels_last
from texgen_server.networks.material import MaterialGenerator
from texgen_server.networks.torch_parts import build_generator
from texgen_server.precision.autocast import quick
from texgen_server.process.torch_guest import as_guest
from texgen_server.registry import MaterialModel

Array = NDArray[np.float32]

DEFAULT_STEPS = 100
WORK_PX = 192
"""Size at which photograph and candidate are compared."""
NEIGHBOURS = 3
CODE_RATE, SHIFT_RATE = 0.03, 0.02
"""Learning rates of the code, and of the shift in deviations of the style; both fall to 0 over the
second half.
"""
STAY = 0.02
"""Weight that keeps the style near where it started: what the photograph does not show (roughness,
relief) stays that of its neighbours.
"""
GREY_CHROMA = 0.003


@dataclass(frozen=True)
class CaptureOptions:
    """How to capture."""

    seed: int
    size_px: tuple[int, int]
    class_name: str = ""
    palette: tuple[tuple[float, float, float], ...] = ()
    """sRGB in 0..1, darkest first."""
    steps: int = DEFAULT_STEPS


class CaptureNetworks:
    """What a capture needs in memory: the frozen features and a trainable path to the style.

    Made at the first capture.
    """

    def __init__(self, model: MaterialModel) -> None:
        self.model = model
        with as_guest():
            self.features = FrozenFeatures("efficientnet-lite0")
            self.generator: MaterialGenerator = channels_last(
                build_generator(model.card.network, model.weights)
            )
            torch.optim.Adam(
                [torch.zeros(1, requires_grad=True)]
            )  # the first one imports half of torch


def is_grey(photo: Array) -> bool:
    """(H, W, 3) in 0..1: whether it was taken without colour.

    (Concrete in colour is not grey in this sense.)
    """
    return bool((photo.max(-1) - photo.min(-1)).mean() < GREY_CHROMA)


def colourise(photo: Array, palette: tuple[tuple[float, float, float], ...]) -> Array:
    """Map the lightness of a (H, W, 3) photograph onto colours, darkest first."""
    light = photo.mean(-1)
    places = np.linspace(0.0, 1.0, len(palette))
    low, high = np.quantile(light, (0.02, 0.98))
    unit = np.clip((light - low) / max(1e-3, float(high - low)), 0.0, 1.0)
    return np.stack(
        [np.interp(unit, places, [color[i] for color in palette]) for i in range(3)], -1
    ).astype(np.float32)


def capture(
    networks: CaptureNetworks,
    photo: Array,
    options: CaptureOptions,
    check: Callable[[], None],
    on_progress: Callable[[float], None],
) -> Recipe:
    """Find the recipe of a photograph (H, W, 3), sRGB in 0..1. ``check`` raises to stop."""
    model = networks.model
    if options.palette:
        photo = colourise(photo, options.palette)
    grey = is_grey(photo)
    target = _Target(networks.features, _square(photo), grey=grey)
    rows = _nearest(target, model, options.class_name, grey=grey)
    if grey:
        photo = _tinted(photo, model.tables.colors[rows[0]])
        target = _Target(networks.features, _square(photo), grey=False)
    layout = photo_layout(_square(photo), model.tables.amplitudes[rows[0]])
    plan = _plan(model, rows, layout, options)
    found, relief = _fit(networks, target, plan, options.steps, check, on_progress)
    gain, offset = _color_correction(networks, target, plan, found)
    captured = Captured(
        code=_halves(found.code[0].numpy()),
        shift=_halves(found.shift[0].numpy()),
        waves=tuple((int(y), int(x)) for y, x in plan.sources[0].layouts[0].waves),
        amplitudes=tuple(
            tuple(map(complex, wave.astype(np.complex64)))
            for wave in _half_complex(plan.sources[0].layouts[0].amplitudes)
        ),
        gain=_triple(gain),
        offset=_triple(offset),
        color=_triple(target.mean.numpy()),
        relief_tiles=_halves(np.array([relief]))[0],
    )
    return capture_recipe(model.card, captured, options.seed, options.size_px)


def nearest_rows(networks: CaptureNetworks, photo: Array) -> list[int]:
    """Rows of the training materials whose colour maps look most like a photograph (H, W, 3), best
    first.
    """
    grey = is_grey(photo)
    return _nearest(
        _Target(networks.features, _square(photo), grey=grey), networks.model, "", grey=grey
    )


class _Target:
    """Statistics of a photograph's basecolor."""

    def __init__(self, features: FrozenFeatures, picture: Array, *, grey: bool) -> None:
        image = torch.from_numpy(picture.transpose(2, 0, 1)[None].copy())
        self.grey = grey
        self.mean, self.deviation = image.mean((0, 2, 3)), image.std((0, 2, 3))
        with torch.no_grad():
            taps = features(_view(image, grey=grey))
            self.statistics = tap_statistics(taps)
            self.moments = tap_moments(taps)[0]
        self.spectrum = _spectrum(image)


def _view(image: Tensor, *, grey: bool) -> Tensor:
    """(B, 3, H, W) in 0..1 -> what the features take; without colour if ``grey``."""
    if grey:
        image = image.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    return image * 2.0 - 1.0


def _spectrum(image: Tensor) -> Tensor:
    """Radial spectrum of luminance: (B, 3, H, W) -> (B, 1, rings)."""
    return radial_spectrum(image.mean(1, keepdim=True))


def _square(photo: Array) -> Array:
    """The middle square of (H, W, 3), averaged (or enlarged) to the working size."""
    height, width = photo.shape[:2]
    edge = min(height, width)
    top, left = (height - edge) // 2, (width - edge) // 2
    cut = torch.from_numpy(
        photo[top : top + edge, left : left + edge].transpose(2, 0, 1)[None].copy()
    )
    small = F.interpolate(
        cut, (WORK_PX, WORK_PX), mode="bilinear", align_corners=False, antialias=True
    )
    return small[0].permute(1, 2, 0).numpy()


def _nearest(target: _Target, model: MaterialModel, class_name: str, *, grey: bool) -> list[int]:
    """Rows of the training materials that look most alike, best first."""
    moments = model.tables.moments[:, int(grey)]
    scale = moments.std(0) + 1e-3
    distance = np.abs((moments - target.moments.numpy()) / scale).clip(max=5.0).mean(1)
    allowed = list(model.tables.rows[class_name]) if class_name else list(range(len(moments)))
    return sorted(allowed, key=lambda row: float(distance[row]))[:NEIGHBOURS]


def _tinted(photo: Array, color: Array) -> Array:
    """A grey photograph in the hue of a colour; its lightness stays."""
    light = photo.mean(-1, keepdims=True)
    tinted: Array = np.clip(light * (color / max(1e-3, float(color.mean()))), 0.0, 1.0).astype(
        np.float32
    )
    return tinted


def _plan(model: MaterialModel, rows: list[int], layout: Layout, options: CaptureOptions) -> Plan:
    """The nearest material's code at the working size, with the photograph's layout."""
    recipe = make_recipe(
        model.card, [(model.card.classes[0].name, 1.0)], options.seed, (WORK_PX, WORK_PX)
    )
    code = (
        model.tables.codes[rows].mean(0, keepdims=True) * 0.3 + model.tables.codes[rows[:1]] * 0.7
    )
    source = plain_source(recipe, code, [(rows[0], 1.0)], model.tables, model.shape)
    plan = make_plan(recipe, model.tables, model.shape)
    return Plan(recipe, (replace(source, layouts=(layout,)),), plan.canvas)


@dataclass
class _Found:
    """What is fitted: a code, and what the style has beyond the code's."""

    code: Tensor  # (1, code_dim)
    shift: Tensor  # (1, style_dim)

    def style(self, networks: CaptureNetworks, density: Tensor) -> Tensor:
        out: Tensor = networks.generator.mapping(self.code, density) + self.shift
        return out


def _fit(
    networks: CaptureNetworks,
    target: _Target,
    plan: Plan,
    steps: int,
    check: Callable[[], None],
    on_progress: Callable[[float], None],
) -> tuple[_Found, float]:
    """The code and shift whose samples have the photograph's statistics, and the relief of the
    start.
    """
    start = torch.from_numpy(plan.sources[0].code[None].copy())
    density = _density(plan)
    with torch.no_grad():
        styled = networks.generator.mapping(start, density)
        relief, unit = float(networks.generator.relief_tiles(styled)[0]), float(styled.std())
    found = _Found(start.clone().requires_grad_(), torch.zeros_like(styled).requires_grad_())
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
    return _Found(found.code.detach(), found.shift.detach()), relief


def _density(plan: Plan) -> Tensor:
    return torch.full((1, 1), math.log2(plan.canvas.tile_px) - 8.0)


def _distance(
    features: FrozenFeatures, maps: Tensor, target: _Target, scale: list[Tensor]
) -> Tensor:
    color = maps[:, :3]
    taps = features(_view(color, grey=target.grey))
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
        + 0.1 * (_spectrum(color) - target.spectrum).abs().mean()
    )


def _render(networks: CaptureNetworks, plan: Plan, style: Tensor, step: int) -> Tensor:
    """(1, 7, S, S) of a style; every step has noise of its own, so that no single noise is
    fitted.
    """
    cells, source = WORK_PX // networks.model.shape.cell_px, plan.sources[0]
    moved = replace(plan, sources=(replace(source, seed=(source.seed + step) % 2**64),))
    fields = build_inputs(moved, networks.model.shape, Window(0, 0, cells, cells))
    tensors = [[torch.from_numpy(f) for f in group] for group in (fields.layouts, fields.noises)]
    with quick("cpu"):
        maps: Tensor = networks.generator(style, torch.from_numpy(fields.start), *tensors)
    return maps


def _color_correction(
    networks: CaptureNetworks, target: _Target, plan: Plan, found: _Found
) -> tuple[Array, Array]:
    """Gain and offset a channel that give a sample the photograph's mean and deviation."""
    with torch.no_grad():
        color = torch.cat(
            [
                _render(networks, plan, found.style(networks, _density(plan)), step)[:, :3]
                for step in range(3)
            ]
        )
    mean, deviation = color.mean((0, 2, 3)), color.std((0, 2, 3)).clamp_min(0.01)
    gain = (target.deviation / deviation).clamp(0.6, 1.7)
    return gain.numpy(), (target.mean - gain * mean).numpy()


def _halves(values: NDArray[np.floating]) -> tuple[float, ...]:
    return tuple(float(v) for v in values.astype(np.float16))


def _triple(values: NDArray[np.floating]) -> tuple[float, float, float]:
    a, b, c = _halves(values)
    return a, b, c


def _half_complex(values: NDArray[np.complex64]) -> NDArray[np.complex64]:
    return (values.real.astype(np.float16) + 1j * values.imag.astype(np.float16)).astype(
        np.complex64
    )
