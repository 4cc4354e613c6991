# SPDX-License-Identifier: Apache-2.0
"""A photograph -> a recipe: the nearest training materials first, then the fit of their style.

Needs the extra ``capture``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from texgen.recipes.build import capture_recipe, make_recipe
from texgen.recipes.recipe import Captured, Recipe
from texgen_server.capture.fit import color_correction, fit_style
from texgen_server.capture.networks import CaptureNetworks
from texgen_server.capture.options import CaptureFunction, CaptureOptions
from texgen_server.capture.photo_waves import photo_layout
from texgen_server.capture.target import (
    WORK_PX,
    Target,
    colourise,
    is_grey,
    tinted,
    working_square,
)
from texgen_server.material.plan import Layout, Plan
from texgen_server.material.sampling import make_plan
from texgen_server.material.sources import plain_source
from texgen_server.registry import MaterialModel

Array = NDArray[np.float32]

NEIGHBOURS = 3
"""Number of training materials whose codes the fit starts from."""


def load(model: MaterialModel) -> CaptureFunction:
    """Load the networks of a capture and return the function that uses them."""
    return partial(capture, CaptureNetworks(model))


def capture(
    networks: CaptureNetworks,
    photo: Array,
    options: CaptureOptions,
    check: Callable[[], None],
    on_progress: Callable[[float], None],
) -> Recipe:
    """Find the recipe of a photograph (H, W, 3), sRGB in [0, 1]. ``check`` raises to stop."""
    model = networks.model
    if options.palette:
        photo = colourise(photo, options.palette)
    grey = is_grey(photo)
    target = Target(networks.features, working_square(photo), grey=grey)
    rows = _nearest(target, model, options.class_name, grey=grey)
    if grey:
        photo = tinted(photo, model.tables.colors[rows[0]])
        target = Target(networks.features, working_square(photo), grey=False)
    layout = photo_layout(working_square(photo), model.tables.amplitudes[rows[0]])
    plan = _plan(model, rows, layout, options)
    found, relief = fit_style(networks, target, plan, options.steps, check, on_progress)
    gain, offset = color_correction(networks, target, plan, found)
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
    """Return the rows of the training materials whose colour maps look most like a photograph
    (H, W, 3), best first.
    """
    grey = is_grey(photo)
    return _nearest(
        Target(networks.features, working_square(photo), grey=grey), networks.model, "", grey=grey
    )


def _nearest(target: Target, model: MaterialModel, class_name: str, *, grey: bool) -> list[int]:
    """Return the rows of the most similar training materials, best first."""
    moments = model.tables.moments[:, int(grey)]
    scale = moments.std(0) + 1e-3
    distance = np.abs((moments - target.moments.numpy()) / scale).clip(max=5.0).mean(1)
    allowed = list(model.tables.rows[class_name]) if class_name else list(range(len(moments)))
    return sorted(allowed, key=lambda row: float(distance[row]))[:NEIGHBOURS]


def _plan(model: MaterialModel, rows: list[int], layout: Layout, options: CaptureOptions) -> Plan:
    """Plan the nearest material at the working size, with the photograph's layout."""
    recipe = make_recipe(
        model.card, [(model.card.classes[0].name, 1.0)], options.seed, (WORK_PX, WORK_PX)
    )
    code = (
        model.tables.codes[rows].mean(0, keepdims=True) * 0.3 + model.tables.codes[rows[:1]] * 0.7
    )
    source = plain_source(recipe, code, [(rows[0], 1.0)], model.tables, model.shape)
    plan = make_plan(recipe, model.tables, model.shape)
    return Plan(recipe, (replace(source, layouts=(layout,)),), plan.canvas)


def _halves(values: NDArray[np.floating]) -> tuple[float, ...]:
    return tuple(float(v) for v in values.astype(np.float16))


def _triple(values: NDArray[np.floating]) -> tuple[float, float, float]:
    a, b, c = _halves(values)
    return a, b, c


def _half_complex(values: NDArray[np.complex64]) -> NDArray[np.complex64]:
    return (values.real.astype(np.float16) + 1j * values.imag.astype(np.float16)).astype(
        np.complex64
    )
