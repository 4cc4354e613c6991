# SPDX-License-Identifier: Apache-2.0
"""Tiny random models, written as model folders."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

from tests.classes import CLASSES, PRESETS
from texgen.maps import Light
from texgen_server.environment.layouts import glow_around
from texgen_server.environment.sky_model import SkyModel
from texgen_server.networks.environment import EnvironmentGenerator
from texgen_server.networks.estimator import Estimator
from texgen_server.networks.frozen_features import TAP_CHANNELS
from texgen_server.networks.material import MaterialGenerator
from texgen_server.networks.params import (
    EnvironmentParams,
    EstimatorParams,
    MaterialParams,
    UpscalerParams,
)
from texgen_server.networks.upscaler import Upscaler
from texgen_server.training.catalog import Asset
from texgen_server.training.environment.export import write_environment
from texgen_server.training.estimator.export import write_estimator
from texgen_server.training.material.export import Export, write_model
from texgen_server.training.material.layout_fit import MAX_WAVES
from texgen_server.training.upscaler.export import write_upscaler

PARAMS = MaterialParams(code_dim=20, style_dim=24, noise_channels=4, widths=(16, 16, 12, 8, 8))
ENVIRONMENT_PARAMS = EnvironmentParams(
    code_dim=6, style_dim=8, noise_channels=2, widths=(8, 8), layout_rows=32
)
UPSCALER_PARAMS = UpscalerParams(width=8, depth=4)
MOMENTS = 2 * sum(TAP_CHANNELS)


def tiny_assets() -> list[Asset]:
    named = [(f"{c}{i}", c, False) for c, count in CLASSES.items() for i in range(count)] + [
        (f"{p}0", p, True) for p in PRESETS
    ]
    return [
        Asset(name, "nobody", c, preset, "CC0-1.0", 0.0, name, "here") for name, c, preset in named
    ]


def tiny_generator(seed: int = 1) -> MaterialGenerator:
    """Random weights with noise, layout and guide turned up, so that every input matters."""
    torch.manual_seed(seed)
    generator = MaterialGenerator(PARAMS)
    with torch.no_grad():
        for block in generator.blocks:
            block.noise_gain.normal_(0.0, 0.5)
            block.guide.weight.normal_(0.0, 0.2)
    return generator.eval()


def write_tiny_model(folder: Path, seed: int = 1) -> None:
    rng = np.random.default_rng(seed)
    assets = tiny_assets()
    waves = np.zeros((len(assets), MAX_WAVES, 2), np.int16)
    waves[:, :6] = rng.integers(-8, 9, (len(assets), 6, 2))
    amplitudes = np.zeros((len(assets), MAX_WAVES, 5), np.complex64)
    amplitudes[:, :6] = rng.normal(0, 0.4, (len(assets), 6, 5)) + 1j * rng.normal(
        0, 0.4, (len(assets), 6, 5)
    )
    weights = {k: v.detach().numpy() for k, v in tiny_generator(seed).state_dict().items()}
    codes = rng.normal(0, 0.5, (len(assets), PARAMS.code_dim)).astype(np.float32)
    colors = rng.random((len(assets), 3)).astype(np.float32)
    moments = rng.random((len(assets), 2, MOMENTS)).astype(np.float32)
    directions = {
        name: rng.normal(0, 0.3, PARAMS.style_dim).astype(np.float32)
        for name in ("wetness", "moss")
    }
    write_model(
        Export(
            weights,
            codes,
            waves,
            amplitudes,
            colors,
            moments,
            assets,
            PARAMS,
            "0.0.1",
            {"training_images": 0},
            directions,
        ),
        folder,
    )


def tiny_upscaler(seed: int = 2) -> Upscaler:
    """Random weights with heads turned up, so that what they add matters."""
    torch.manual_seed(seed)
    network = Upscaler(UPSCALER_PARAMS)
    with torch.no_grad():
        for head in network.heads.values():
            head.weight.normal_(0.0, 0.05)
    return network.eval()


def write_tiny_estimator(folder: Path, seed: int = 3) -> None:
    torch.manual_seed(seed)
    params = EstimatorParams(len(CLASSES), (8, 8, 12, 12))
    weights = {f"ema/{k}": v.detach().numpy() for k, v in Estimator(params).state_dict().items()}
    classes = {name: [f"{name}0"] for name in CLASSES}
    write_estimator(weights, params, classes, folder, "0.0.1", {"training_images": 0})


def tiny_environment(seed: int = 4) -> EnvironmentGenerator:
    """Random weights with the head turned up."""
    torch.manual_seed(seed)
    generator = EnvironmentGenerator(ENVIRONMENT_PARAMS)
    with torch.no_grad():
        generator.head.conv.weight.normal_(0.0, 0.05)
    return generator.eval()


def tiny_skies() -> SkyModel:
    """Skies that brighten towards their sun, and with it."""
    elevations = np.array([0.5, 10.0, 40.0, 89.0], np.float32)
    glow = np.stack([glow_around((0.0, float(e)), 32) for e in elevations])
    stops = 4.0 * glow[:, None] + 0.05 * elevations[:, None, None, None] + np.zeros((1, 3, 1, 1))
    return SkyModel(
        elevations,
        stops.astype(np.float32),
        np.tile(elevations[:, None] * 0.05, 3).astype(np.float32),
    )


def write_tiny_environment(folder: Path, seed: int = 4) -> None:
    """Two clear skies with a sun, an overcast one, two rooms with lamps."""
    rng = np.random.default_rng(seed)
    classes = ["outdoor_clear", "outdoor_clear", "overcast", "indoor", "indoor"]
    layouts = rng.normal(0.0, 0.2, (5, 4, 32, 64)).astype(np.float32)
    layouts[:, 3] = 0.0
    layouts[:3, 3, :16] = 1.0
    layouts[:3, :3, 16:] -= 0.5
    sun = (Light(0.0, 30.0, 0.3, (20.0, 18.0, 15.0)), Light(0.0, 50.0, 0.3, (30.0, 28.0, 25.0)))
    lamps = [Light(0.0, 60.0, 2.0, (0.5, 0.4, 0.3)), Light(70.0, 20.0, 1.0, (0.1, 0.1, 0.2))]
    pack = SimpleNamespace(
        assets=[f"place_{i}" for i in range(5)],
        classes=classes,
        exposures=[0.5, 1.0, 0.25, 2.0, 1.0],
        lights=[[sun[0]], [sun[1]], [], lamps, lamps[:1]],
        layouts=layouts,
        skies=layouts[:, :3] * (layouts[:, 3:] > 0).any((2, 3), keepdims=True),
    )
    weights = {
        f"ema_generator/{k}": v.detach().numpy()
        for k, v in tiny_environment(seed).state_dict().items()
    }
    weights["ema_codes/table"] = rng.normal(0.0, 0.5, (5, ENVIRONMENT_PARAMS.code_dim)).astype(
        np.float32
    )
    write_environment(
        weights,
        pack,
        list(range(5)),
        ENVIRONMENT_PARAMS,
        tiny_skies(),
        folder,
        "0.0.1",
        {"training_images": 0},
    )


def write_tiny_upscaler(folder: Path, seed: int = 2) -> None:
    weights = {k: v.detach().numpy() for k, v in tiny_upscaler(seed).state_dict().items()}
    write_upscaler(weights, UPSCALER_PARAMS, folder, "0.0.1", {"training_images": 0})


def write_tiny_models(folder: Path) -> None:
    """Write a tiny random model of each kind."""
    write_tiny_model(folder / "material")
    write_tiny_upscaler(folder / "upscaler")
    write_tiny_estimator(folder / "estimator")
    write_tiny_environment(folder / "environment")


if __name__ == "__main__":  # for environments without torch: tests.torchless
    write_tiny_models(Path(sys.argv[1]))
