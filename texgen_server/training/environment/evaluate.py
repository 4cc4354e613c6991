# SPDX-License-Identifier: Apache-2.0
"""Measures an environment model: light compared with that of real maps, seams, likeness of
views.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from texgen.render.panorama import (
    irradiance_harmonics,
    luminance,
    perspective,
    pixel_angles,
    radiance_harmonics,
    solid_angles,
)
from texgen_server.networks.channels import RADIANCE, STOPS
from texgen_server.networks.frozen_features import FrozenFeatures
from texgen_server.training.devices import evaluation_device
from texgen_server.training.environment.data import HdrPack
from texgen_server.training.environment.evaluated_model import EvaluatedModel
from texgen_server.training.environment.invert import fit_layout, layout_basis
from texgen_server.training.environment.pictures import write_pictures
from texgen_server.training.environment.trainer import tone_mapped
from texgen_server.training.metrics import kid
from texgen_server.training.runner import EvalOptions

Array = NDArray[np.float32]

SEEDS = (1, 2, 3)
VIEWS = (-135.0, -45.0, 45.0, 135.0)
"""Azimuths of the perspective views that are judged, in degrees."""
VIEW_DEG, VIEW_PX = 90.0, 224
VIEW_KEY = 0.25
"""Value of the geometric mean in a view."""
SMALL_ROWS = 32
MIN_LUMINANCE = 1e-4
"""Added to luminance before its logarithm."""


def evaluate_environment(options: EvalOptions, pack: HdrPack, held: list[int]) -> dict[str, Any]:
    """Return all figures, as means over maps; ``held`` are the rows of held-out maps."""
    model = EvaluatedModel.load(options)
    names = [asset for c in model.card.classes for asset in c.materials]
    rows = {name: row for row, name in enumerate(names)}
    own = {i: rows[asset] for i, asset in enumerate(pack.assets) if asset in rows}
    samples = {name: [model.sample(name, seed) for seed in SEEDS] for name in _classes(model)}
    result: dict[str, Any] = {
        "model": model.card.id,
        "digest": model.card.digest,
        "engine": model.renderer.backend.name,
        **_light_figures(model, pack, own, held),
    }
    result["samples"] = _mean_row([_sanity(p) for ps in samples.values() for p in ps])
    features = FrozenFeatures("efficientnet-lite1").to(evaluation_device(options.device))
    result["views of samples, held-out maps and training maps"] = _view_distances(
        features, samples, pack, held, list(own)
    )
    if options.pictures:
        write_pictures(model, pack, own, samples, options.pictures)
    return result


def _classes(model: EvaluatedModel) -> list[str]:
    return list(model.card.class_names())


def _light_figures(
    model: EvaluatedModel, pack: HdrPack, own: dict[int, int], held: list[int]
) -> dict[str, Any]:
    """Compare training maps through their codes, and held-out maps through fitted layouts, with the
    real maps; ``own`` gives the model's row of each training map.
    """
    means = _class_means(pack, list(own))
    basis = layout_basis(model.tables.layouts)
    through = [
        _compared(model.training_map(row), pack.panorama(i), means[pack.classes[i]])
        for i, row in own.items()
    ]
    found = [
        _compared(
            _nearest(model, pack, i, fit_layout(pack.layouts[i], basis)),
            pack.panorama(i),
            means[pack.classes[i]],
        )
        for i in held
    ]
    return {
        "training maps through their codes": _mean_row(through),
        "held-out maps by 100 steps": _mean_row(found),
    }


def _nearest(model: EvaluatedModel, pack: HdrPack, index: int, layout: Array) -> Array:
    """Return a held-out map as the model can represent it: a fitted layout, the code of the nearest
    training map, its own lights.
    """
    row = int(np.abs(model.tables.layouts[:, RADIANCE] - layout[RADIANCE]).mean((1, 2, 3)).argmin())
    exposure = float(np.log2(pack.exposures[index]))
    return model.render(model.scene(layout, row, pack.lights[index], exposure))


def _class_means(pack: HdrPack, train: list[int]) -> dict[str, Array]:
    """Return for each class the mean irradiance harmonics (9, 3) of its training maps."""
    each = {i: irradiance_harmonics(radiance_harmonics(pack.panorama(i))) for i in train}
    names = sorted(set(pack.classes))
    return {name: np.mean([each[i] for i in train if pack.classes[i] == name], 0) for name in names}


def _compared(made: Array, real: Array, class_mean: Array) -> dict[str, float]:
    """Compare the light of a made and a real panorama; ``class_mean`` is the baseline."""
    ours, theirs = (irradiance_harmonics(radiance_harmonics(p)) for p in (made, real))
    size = float(np.linalg.norm(theirs))
    stops, real_stops = (np.log2(luminance(_small(p)) + MIN_LUMINANCE) for p in (made, real))
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
    """Return the stops from the median luminance of a panorama to the greatest."""
    light = luminance(panorama)
    return float(np.log2(light.max() / max(1e-6, float(np.median(light)))))


def _sanity(panorama: Array) -> dict[str, float]:
    """Return the seam's gradient as a percentile among all columns, and the spread of the rows at
    the poles and 10 degrees from them, in stops.
    """
    stops = np.log2(luminance(panorama) + MIN_LUMINANCE)
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


def _view_distances(
    features: FrozenFeatures,
    samples: dict[str, list[Array]],
    pack: HdrPack,
    held: list[int],
    train: list[int],
) -> dict[str, float]:
    """Return KID in EfficientNet-lite1 features of perspective views between samples, held-out maps
    and training maps.
    """
    made = _vectors(features, [p for ps in samples.values() for p in ps])
    real, known = (_vectors(features, [pack.panorama(i) for i in rows]) for rows in (held, train))
    return {
        "KID samples - held-out": kid(made, real),
        "KID training - held-out": kid(known, real),
        "KID samples - training": kid(made, known),
    }


@torch.inference_mode()
def _vectors(features: FrozenFeatures, panoramas: list[Array]) -> NDArray[np.float64]:
    """Return a feature vector (N, D) of each view of each panorama."""
    device = next(features.parameters()).device
    out = []
    for panorama in panoramas:
        exposed = panorama / np.exp(np.mean(np.log(luminance(panorama) + MIN_LUMINANCE)))
        views = np.stack(
            [perspective(exposed, azimuth, 0.0, VIEW_DEG, VIEW_PX) for azimuth in VIEWS]
        ).transpose(0, 3, 1, 2)
        stops = torch.log2(torch.from_numpy(views).to(device).clamp_min(MIN_LUMINANCE)) / STOPS
        taps = features(tone_mapped(stops, VIEW_KEY))
        out += list(taps[-1].mean((2, 3)).double().cpu().numpy())
    return np.stack(out)
