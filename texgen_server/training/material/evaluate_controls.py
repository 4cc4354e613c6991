# SPDX-License-Identifier: Apache-2.0
"""Measures controls: each is swept over its range, and the attribute that it names is measured in
the finished maps.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from texgen.maps import MapKind, Pixels, to_unit
from texgen.modelcard import find_card
from texgen.recipes.build import make_recipe
from texgen.render.shading import render_lit
from texgen_server.backend import Backend
from texgen_server.backends.torch_backend import TorchBackend
from texgen_server.material.sampling import make_plan
from texgen_server.material.synthesis import Synthesis
from texgen_server.registry import MaterialModel, load_material
from texgen_server.training.devices import evaluation_device
from texgen_server.training.material.directions import ATTRIBUTES

STEPS = 5
SIZE_PX = 256
STRONGEST_WAVES = 40
Maps = Mapping[MapKind, Pixels]
STRIP_CLASS = {
    "moss": "brick",
    "wetness": "paving",
    "wear": "painted_wood",
    "age": "plaster",
    "coarseness": "rock",
    "regularity": "brick",
}
"""Control -> class that its strip shows it on; bark for the others."""


def _unit(maps: Maps, kind: MapKind) -> NDArray[np.float32]:
    return to_unit(maps[kind])


def _network_order(maps: Maps) -> torch.Tensor:
    """Return finished maps as the network makes them, (1, 7, H, W) in [0, 1]."""
    kinds = (MapKind.BASECOLOR, MapKind.HEIGHT, MapKind.ROUGHNESS, MapKind.METALLIC, MapKind.AO)
    return torch.from_numpy(
        np.concatenate([_unit(maps, k) for k in kinds], 2).transpose(2, 0, 1)[None].copy()
    )


def _hue(maps: Maps) -> float:
    """Return the mean direction of the chroma, in degrees from -180 to 180."""
    red, green, blue = _unit(maps, MapKind.BASECOLOR).mean((0, 1))
    return float(np.degrees(np.arctan2(3**0.5 * (green - blue), 2 * red - green - blue)))


def _detail(maps: Maps) -> float:
    """Return the mean gradient of the height, negated: smaller tiles have more features a pixel."""
    height = _unit(maps, MapKind.HEIGHT)[..., 0]
    return -float(np.abs(np.diff(height, axis=0)).mean() / max(1e-4, float(height.std())))


def _layout_power(maps: Maps) -> float:
    """Return the share of the height's power in its `STRONGEST_WAVES` strongest waves."""
    height = _unit(maps, MapKind.HEIGHT)[..., 0]
    power = np.sort(np.abs(np.fft.rfft2(height - height.mean())).ravel() ** 2)
    return float(power[-STRONGEST_WAVES:].sum() / max(1e-12, float(power.sum())))


def _latent(name: str) -> Callable[[Maps], float]:
    return lambda maps: float(ATTRIBUTES[name](_network_order(maps))[0])


MEASURES: dict[str, Callable[[Maps], float]] = {
    "tile_px": _detail,
    "regularity": _layout_power,
    "relief_depth": lambda maps: float(np.abs(_unit(maps, MapKind.NORMAL)[..., :2] - 0.5).mean()),
    "roughness_offset": lambda maps: float(_unit(maps, MapKind.ROUGHNESS).mean()),
    "hue_shift": _hue,
    "saturation": lambda maps: float(np.ptp(_unit(maps, MapKind.BASECOLOR), axis=2).mean()),
    "brightness": lambda maps: float(_unit(maps, MapKind.BASECOLOR).mean()),
    "contrast": lambda maps: float(_unit(maps, MapKind.BASECOLOR).mean(2).std()),
    **{name: _latent(name) for name in ATTRIBUTES},
}
"""Control -> attribute that must grow with it."""


def sweep(
    model: MaterialModel, backend: Backend, name: str, material_class: str, seed: int = 7
) -> tuple[list[float], list[Maps]]:
    """Return values over a control's range and the maps at each."""
    control = next(c for c in model.card.controls if c.name == name)
    low, high = (-120.0, 120.0) if name == "hue_shift" else (control.minimum, control.maximum)
    values = [float(v) for v in np.linspace(low, high, STEPS)]
    size = SIZE_PX
    if name == "tile_px":  # whole tiles only: 4, 3, 2 and 1 on an edge
        size = int(control.default)
        values = [size / tiles for tiles in (4, 3, 2, 1)]
    made: list[Maps] = []
    for value in values:
        recipe = make_recipe(
            model.card, [(material_class, 1.0)], seed, (size, size), 1.0, {name: value}
        )
        made.append(
            Synthesis(backend, model.shape).maps(make_plan(recipe, model.tables, model.shape))[0]
        )
    return values, made


def evaluate_controls(model: MaterialModel, backend: Backend, classes: list[str]) -> dict[str, Any]:
    """Return for each control the mean of its attribute over the classes at every step, and the
    share of classes in which it only grows.
    """
    report: dict[str, Any] = {}
    for control in model.card.controls:
        if control.name not in MEASURES:
            continue
        measured = np.array(
            [
                [MEASURES[control.name](maps) for maps in sweep(model, backend, control.name, c)[1]]
                for c in classes
            ]
        )
        if control.name == "hue_shift":
            measured = np.degrees(np.unwrap(np.radians(measured), axis=1))
        means = [float(v) for v in measured.mean(0)]
        growing = [all(a < b for a, b in itertools.pairwise(row)) for row in measured.tolist()]
        report[control.name] = {
            "monotonic": all(a < b for a, b in itertools.pairwise(means)),
            "classes": float(np.mean(growing)),
            "means": tuple(means),
        }
    return report


def evaluate_model_controls(
    model_id: str, models: Path | None, device: str = "auto"
) -> dict[str, Any]:
    """Measure the controls of an installed model, over all its classes but the presets; see
    `evaluate_controls`.
    """
    model = load_material(find_card(model_id, models))
    classes = [c.name for c in model.card.classes if not c.preset]
    return evaluate_controls(model, TorchBackend(model, str(evaluation_device(device))), classes)


def draw_strips(model: MaterialModel, backend: Backend, path: Path, shown_px: int = 128) -> None:
    """Write a picture with a row for each control that changes pixels: five values, lit."""
    rows = []
    for control in model.card.controls:
        if control.name in MEASURES:
            known = model.card.class_names()
            name = STRIP_CLASS.get(control.name, "bark")
            shown = name if name in known else known[0]
            values, made = sweep(model, backend, control.name, shown)
            rows.append(_strip(control.label, values, made, shown_px))
    Image.fromarray(np.concatenate(rows)).save(path, quality=70, method=6)


def _strip(label: str, values: list[float], made: list[Maps], shown_px: int) -> NDArray[np.uint8]:
    title = Image.new("RGB", (130, shown_px), "white")
    ImageDraw.Draw(title).multiline_text(
        (4, shown_px // 2 - 18),
        f"{label}\n{values[0]:g} to {values[-1]:g}",
        fill="black",
        font_size=13,
    )
    pictures = []
    for maps in made:
        normal = _unit(maps, MapKind.NORMAL) * 2.0 - 1.0
        roughness, metallic, ao = (
            _unit(maps, k)[..., 0] for k in (MapKind.ROUGHNESS, MapKind.METALLIC, MapKind.AO)
        )
        lit = Image.fromarray(
            render_lit(_unit(maps, MapKind.BASECOLOR), normal, roughness, metallic, ao)
        )
        pictures.append(np.asarray(lit.resize((shown_px, shown_px), Image.Resampling.LANCZOS)))
    pictures += [np.full((shown_px, shown_px, 3), 255, np.uint8)] * (STEPS - len(pictures))
    return np.concatenate([np.asarray(title), *pictures], 1)
