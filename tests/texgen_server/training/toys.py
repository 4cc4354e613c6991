# SPDX-License-Identifier: Apache-2.0
"""Toy data and toy trainers of each family: a few small networks, a few steps."""

from __future__ import annotations

import csv
import json

import numpy as np
from PIL import Image

from tests.texgen_server.training.environment.toys import write_toy_environments
from texgen_server.networks.channels import MAP_CHANNELS
from texgen_server.networks.params import (
    EnvironmentParams,
    EstimatorParams,
    MaterialParams,
    UpscalerParams,
)
from texgen_server.training.catalog import read_catalog
from texgen_server.training.environment.data import read_environments
from texgen_server.training.environment.run import prepared_pack as prepared_environments
from texgen_server.training.environment.settings import EnvironmentConfig
from texgen_server.training.environment.trainer import EnvironmentTrainer
from texgen_server.training.estimator.data import TileSource
from texgen_server.training.estimator.settings import EstimatorConfig
from texgen_server.training.estimator.trainer import EstimatorTrainer
from texgen_server.training.material.data import prepared_pack
from texgen_server.training.material.settings import MaterialConfig, Stage
from texgen_server.training.material.trainer import MaterialTrainer
from texgen_server.training.upscaler.scans import FullScans
from texgen_server.training.upscaler.settings import UpscalerConfig
from texgen_server.training.upscaler.trainer import UpscalerTrainer

MATERIAL = MaterialParams(code_dim=24, style_dim=32, noise_channels=4, widths=(16, 16, 16, 8, 8))
ENVIRONMENT = EnvironmentParams(6, 16, 2, (12, 12, 8))
COLUMNS = (
    "asset_id",
    "publisher",
    "class",
    "licence",
    "source_repository",
    "metallic_default",
    "geometry_group",
)


def write_toy_sets(folder, count=4):
    """Write materials.csv and sets of noise at 512 px, all of one class."""
    rng = np.random.default_rng(1)
    rows = []
    for i in range(count):
        asset = folder / "materials" / f"Toy{i}"
        asset.mkdir(parents=True)
        colour = rng.integers(0, 255, (512, 512, 3)).astype(np.uint8)
        Image.fromarray(colour).save(asset / "basecolor.webp", lossless=True)
        slopes = rng.normal(128, 20, (2, 512, 512))
        normal = np.dstack([*slopes, np.full((512, 512), 250)])
        Image.fromarray(normal.clip(0, 255).astype(np.uint8)).save(
            asset / "normal.webp", lossless=True
        )
        Image.fromarray(colour[..., 0]).save(asset / "roughness.webp", lossless=True)
        rows.append([f"Toy{i}", "me", "metal", "CC0-1.0", "here", "1" if i else "0", f"Toy{i}"])
    with (folder / "materials.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(rows)
    return folder


def toy_pack(folder):
    """Return a pack of toy materials, prepared in a folder."""
    data = write_toy_sets(folder / "data")
    return prepared_pack(data, read_catalog(data), folder / "pack")


def write_toy_scans(folder, edge_px=1024):
    """Write one prepared scan of sharp blocks, in all maps but metallic."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    blocks = rng.random((1, sum(MAP_CHANNELS.values()), edge_px // 16, edge_px // 16))
    maps = np.kron(blocks, np.ones((16, 16))) * 0.4 + 0.3
    np.save(folder / "upscaler.npy", np.round(maps * 65535).astype(np.uint16))
    known = [[name != "metallic" for name in MAP_CHANNELS]]
    (folder / "upscaler.json").write_text(json.dumps({"assets": ["blocks"], "known": known}))
    return FullScans(folder)


def material_trainer(folder, device, game="relativistic"):
    """Return a trainer whose steps are adversarial and, from the second on, guided."""
    pack = toy_pack(folder)
    stages = (Stage(128, 2, {256: 1.0}), Stage(128, 4, {512: 1.0}))
    config = MaterialConfig(
        stages, batch=2, warmup_images=1, game=game, scanned_guides=0.0, params=MATERIAL
    )
    trainer = MaterialTrainer(pack, [0, 1, 2, 3], config, device)
    trainer.measure_codes()
    return trainer


def environment_trainer(folder, device):
    """Return a trainer whose steps are adversarial from the second on."""
    data = write_toy_environments(folder)
    pack = prepared_environments(data, read_environments(data), folder / "work")
    config = EnvironmentConfig(steps=3, batch=2, warmup_steps=1, params=ENVIRONMENT)
    return EnvironmentTrainer(pack, list(range(len(pack.assets))), config, device)


def upscaler_trainer(folder, device):
    """Return a trainer that compares frozen features too."""
    config = UpscalerConfig(
        steps=3,
        batch=2,
        shares=(0.3, 0.3, 0.4),
        small_px=32,
        margin_px=6,
        features=0.1,
        params=UpscalerParams(16, 4),
    )
    return UpscalerTrainer(write_toy_scans(folder), [0], config, device)


def estimator_trainer(folder, device):
    """Return a trainer on toy materials."""
    source = TileSource(toy_pack(folder), ["metal"])
    config = EstimatorConfig(steps=3, batch=2)
    params = EstimatorParams(1, (8, 8, 12, 12))
    return EstimatorTrainer(source, [0, 1, 2, 3], params, config, device)


TRAINERS = {
    "material": material_trainer,
    "environment": environment_trainer,
    "upscaler": upscaler_trainer,
    "estimator": estimator_trainer,
}
"""Family -> builder of its toy trainer, from a folder and a device."""
