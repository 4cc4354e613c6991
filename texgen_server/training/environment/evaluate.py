# SPDX-License-Identifier: Apache-2.0
"""The environment model measured: does it light like the maps, is it seamless, does it look like
them?
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from texgen.maps import Light
from texgen.modelcard import ModelCard, find_card
from texgen.recipes.build import make_recipe
from texgen.render.panorama import (
    irradiance_harmonics,
    luminance,
    perspective,
    pixel_angles,
    radiance_harmonics,
    solid_angles,
)
from texgen_server.backends import load_backend
from texgen_server.environment.controls import apply_controls
from texgen_server.environment.lights import render_light
from texgen_server.environment.render import PanoramaRenderer
from texgen_server.environment.scene import EnvironmentTables, Scene, make_scene
from texgen_server.networks.channels import STOPS
from texgen_server.networks.frozen_features import FrozenFeatures
from texgen_server.registry import load_environment
from texgen_server.training.environment.data import HdrPack
from texgen_server.training.environment.invert import inverted, layout_basis
from texgen_server.training.environment.loop import developed
from texgen_server.training.metrics import kid
from texgen_server.training.runner import StepwiseEval

Array = NDArray[np.float32]

SEEDS = (1, 2, 3)
VIEWS = (-135.0, -45.0, 45.0, 135.0)
"""Azimuths of the perspective crops that are judged, 90 degrees wide."""
VIEW_PX = 224
SMALL_ROWS = 32


@dataclass(frozen=True)
class Judged:
    """The model at hand and what it is held against."""

    card: ModelCard
    tables: EnvironmentTables
    drawing: PanoramaRenderer
    pack: HdrPack

    def made(self, scene: Scene) -> Array:
        """(512, 1024, 3) radiance."""
        return np.asarray(self.drawing.panorama(scene)[0], np.float32)

    def sample(self, name: str, seed: int, **controls: float) -> Array:
        """A generated environment of a class."""
        own = self.card.max_edge_px
        recipe = make_recipe(self.card, [(name, 1.0)], seed, (own, own // 2), controls=controls)
        return self.made(
            apply_controls(make_scene(recipe, self.tables), recipe.controls, self.tables)
        )

    def through_code(self, row: int) -> Array:
        """The training map of a row, as the model knows it."""
        return self.made(
            self.scene(
                self.tables.layouts[row],
                row,
                self.tables.lights_of(row),
                float(self.tables.exposures[row]),
            )
        )

    def scene(self, layout: Array, row: int, lights: list[Light], log2_exposure: float) -> Scene:
        """A layout with the codes of a row and lights as they are measured (with the exposure in
        them).
        """
        codes = np.stack([self.tables.codes[row]] * 2)
        gains = np.full(3, 2.0**log2_exposure, np.float32)
        bare = tuple(
            Light(v.azimuth_deg, v.elevation_deg, v.radius_deg, _over(v.flux, gains))
            for v in lights
        )
        return Scene(layout, codes, bare, row, gains, 0.0, row)


def _over(flux: tuple[float, float, float], gains: Array) -> tuple[float, float, float]:
    red, green, blue = (float(f / g) for f, g in zip(flux, gains, strict=True))
    return red, green, blue


def judged(options: StepwiseEval, pack: HdrPack) -> Judged:
    """Load the model."""
    card = find_card(options.model, options.models)
    model = load_environment(card)
    backend = load_backend(model, options.device, "auto", options.cache)
    return Judged(
        card,
        model.tables,
        PanoramaRenderer(backend, card.network["noise_channels"], len(card.network["widths"])),
        pack,
    )


def evaluate_environment(options: StepwiseEval, pack: HdrPack, held: list[int]) -> dict[str, Any]:
    """All figures; means over maps."""
    at = judged(options, pack)
    names = [asset for c in at.card.classes for asset in c.materials]
    rows = {name: row for row, name in enumerate(names)}
    own = {
        index: rows[pack.assets[index]]
        for index in range(len(pack.assets))
        if pack.assets[index] in rows
    }
    means = _class_means(pack, list(own))
    basis = layout_basis(at.tables.layouts)
    through = [
        _compared(at.through_code(row), real_map(pack, i), means[pack.classes[i]])
        for i, row in own.items()
    ]
    found = [
        _compared(
            _found(at, i, inverted(pack.layouts[i], basis)),
            real_map(pack, i),
            means[pack.classes[i]],
        )
        for i in held
    ]
    samples = {name: [at.sample(name, seed) for seed in SEEDS] for name in at.card.class_names()}
    result: dict[str, Any] = {
        "model": at.card.id,
        "digest": at.card.digest,
        "engine": at.drawing.backend.name,
    }
    result["training maps through their codes"] = _mean_row(through)
    result["held-out maps by 100 steps"] = _mean_row(found)
    result["samples"] = _mean_row([_sanity(p) for ps in samples.values() for p in ps])
    result["views of samples, held-out maps and training maps"] = _views(
        samples, pack, held, list(own)
    )
    if options.pictures:
        from texgen_server.training.environment.pictures import write_pictures

        write_pictures(at, own, samples, options.pictures)
    return result


def real_map(pack: HdrPack, index: int) -> Array:
    """(512, 1024, 3) radiance of a map, turned, with its lights (and what clamping had taken from
    them).
    """
    out: Array = (
        (
            np.exp2(pack.stops[index].astype(np.float32) * np.float32(STOPS))
            * np.float32(pack.exposures[index])
        )
        .transpose(1, 2, 0)
        .copy()
    )
    for light in pack.lights[index]:
        rows, columns, radiance = render_light(light, out.shape[0])
        out[rows, columns] += radiance
    return out


def _found(at: Judged, index: int, layout: Array) -> Array:
    """A held-out map as the model can say it: the layout found, the code of the nearest training
    map, its own lights.
    """
    near = int(np.abs(at.tables.layouts[:, :3] - layout[:3]).mean((1, 2, 3)).argmin())
    return at.made(
        at.scene(layout, near, at.pack.lights[index], float(np.log2(at.pack.exposures[index])))
    )


def _class_means(pack: HdrPack, train: list[int]) -> dict[str, Array]:
    """Class -> mean irradiance harmonics (9, 3) of its training maps."""
    each = {i: irradiance_harmonics(radiance_harmonics(real_map(pack, i))) for i in train}
    names = sorted(set(pack.classes))
    return {name: np.mean([each[i] for i in train if pack.classes[i] == name], 0) for name in names}


def _compared(made: Array, real: Array, class_mean: Array) -> dict[str, float]:
    ours, theirs = (irradiance_harmonics(radiance_harmonics(p)) for p in (made, real))
    size = float(np.linalg.norm(theirs))
    stops, real_stops = (np.log2(luminance(_small(p)) + 1e-4) for p in (made, real))
    weights = np.broadcast_to(solid_angles(SMALL_ROWS), stops.shape)
    return {
        "irradiance error": float(np.linalg.norm(ours - theirs)) / size,
        "irradiance error of the class mean": float(np.linalg.norm(class_mean - theirs)) / size,
        "log-luminance distance, stops": float(
            np.average(np.abs(stops - real_stops), weights=weights)
        ),
        "peak over median, stops": peak_stops(made),
        "peak over median of the map, stops": peak_stops(real),
    }


def _small(panorama: Array) -> Array:
    cell = panorama.shape[0] // SMALL_ROWS
    small: Array = panorama.reshape(SMALL_ROWS, cell, 2 * SMALL_ROWS, cell, 3).mean((1, 3))
    return small


def peak_stops(panorama: Array) -> float:
    """Stops from the median luminance to the greatest."""
    light = luminance(panorama)
    return float(np.log2(light.max() / max(1e-6, float(np.median(light)))))


def _sanity(panorama: Array) -> dict[str, float]:
    """The seam's gradient as a percentile among all columns; spread of the rows at the poles, in
    stops, beside that 10 degrees away.
    """
    stops = np.log2(luminance(panorama) + 1e-4)
    steps = np.abs(stops - np.roll(stops, 1, 1)).mean(0)
    _, elevation = pixel_angles(panorama.shape[0])
    near = int(np.abs(elevation - 80.0).argmin())
    return {
        "seam percentile": 100.0 * float((steps[1:] < steps[0]).mean()),
        "spread at the poles, stops": float((stops[0].std() + stops[-1].std()) / 2.0),
        "spread 10 degrees from them, stops": float(
            (stops[near].std() + stops[-1 - near].std()) / 2.0
        ),
        "peak over median, stops": peak_stops(panorama),
    }


def _mean_row(rows: list[dict[str, float]]) -> dict[str, float]:
    return {key: float(np.mean([row[key] for row in rows])) for key in rows[0]} | {
        "maps": len(rows)
    }


def _views(
    samples: dict[str, list[Array]], pack: HdrPack, held: list[int], train: list[int]
) -> dict[str, float]:
    """KID in EfficientNet-lite1 features of perspective views, against those of the
    held-out maps.
    """
    features = FrozenFeatures("efficientnet-lite1")
    made = _vectors(features, [p for ps in samples.values() for p in ps])
    real, known = (_vectors(features, [real_map(pack, i) for i in rows]) for rows in (held, train))
    return {
        "KID samples - held-out": kid(made, real),
        "KID training - held-out": kid(known, real),
        "KID samples - training": kid(made, known),
    }


@torch.inference_mode()
def _vectors(features: FrozenFeatures, panoramas: list[Array]) -> NDArray[np.float64]:
    out = []
    for panorama in panoramas:
        exposed = panorama / np.exp(np.mean(np.log(luminance(panorama) + 1e-4)))
        views = np.stack(
            [perspective(exposed, azimuth, 0.0, 90.0, VIEW_PX) for azimuth in VIEWS]
        ).transpose(0, 3, 1, 2)
        taps = features(
            developed(torch.log2(torch.from_numpy(views).clamp_min(1e-4)) / STOPS, 0.25)
        )
        out += list(taps[-1].mean((2, 3)).double().numpy())
    return np.stack(out)
