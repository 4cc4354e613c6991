# SPDX-License-Identifier: Apache-2.0
"""A toy training from three synthetic materials: prepare, train, resume, export, serve.

Needs the extra ``train``; no shipped weights.
"""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from texgen.errors import InvalidRequestError
from texgen.modelcard import read_card
from texgen_server.networks.params import MaterialParams
from texgen_server.registry import load_material
from texgen_server.training.catalog import read_catalog
from texgen_server.training.distributed import Workers
from texgen_server.training.divergence import DivergedError
from texgen_server.training.material.data import Pack, prepared_pack
from texgen_server.training.material.run import MaterialTrainOptions, parse_stages, train_material
from texgen_server.training.material.settings import MaterialConfig, Stage
from texgen_server.training.material.trainer import MaterialTrainer

pytestmark = pytest.mark.slow
SMALL = MaterialParams(code_dim=24, style_dim=32, noise_channels=4, widths=(16, 16, 16, 8, 8))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(1)
    rows = []
    for i in range(4):
        asset = folder / "materials" / f"Toy{i}"
        asset.mkdir(parents=True)
        colour = rng.integers(0, 255, (512, 512, 3)).astype(np.uint8)
        Image.fromarray(colour).save(asset / "basecolor.webp", lossless=True)
        normal = np.dstack(
            [
                rng.normal(128, 20, (512, 512)),
                rng.normal(128, 20, (512, 512)),
                np.full((512, 512), 250),
            ]
        )
        Image.fromarray(normal.clip(0, 255).astype(np.uint8)).save(
            asset / "normal.webp", lossless=True
        )
        Image.fromarray(colour[..., 0]).save(asset / "roughness.webp", lossless=True)
        rows.append([f"Toy{i}", "me", "metal", "CC0-1.0", "here", "1" if i else "0", f"Toy{i}"])
    with (folder / "materials.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            [
                "asset_id",
                "publisher",
                "class",
                "licence",
                "source_repository",
                "metallic_default",
                "geometry_group",
            ]
        )
        writer.writerows(rows)
    return folder


def small_config(images=16):
    return MaterialConfig(
        stages=(Stage(128, images, {128: 0.5, 256: 0.5}),), batch=4, warmup_images=4, params=SMALL
    )


@pytest.fixture(scope="module")
def pack(data, tmp_path_factory):
    return prepared_pack(data, read_catalog(data), tmp_path_factory.mktemp("pack"))


def test_the_pack_keeps_what_the_set_says(pack):
    assert isinstance(pack, Pack)
    assert pack.maps[256].shape == (4, 7, 256, 256)
    assert pack.maps[128][0, 5].max() == 0
    assert pack.maps[128][1, 5].min() == 65535
    batch = pack.crop(torch.tensor([1, 2]), 256, 128, torch.Generator().manual_seed(0))
    assert batch.maps.shape == (2, 7, 128, 128)
    assert batch.extent_tiles == 0.5


@pytest.mark.held
@pytest.mark.usefixtures("nothing_emulated")
def test_crops_above_the_coarse_density_are_guided(pack):
    config = replace(small_config(), stages=(Stage(256, 16, {512: 1.0}),), scanned_guides=0.5)
    trainer = MaterialTrainer(pack, [0, 1, 2, 3], config, torch.device("cpu"), Workers())
    seen = list(trainer.run())
    assert all("guide" in r and "layout" not in r for r in seen)
    assert any("spectrum" in r for r in seen)
    assert all(
        float(block.guide.weight.detach().abs().max()) > 0 for block in trainer.generator.blocks
    )


@pytest.mark.held
@pytest.mark.usefixtures("nothing_emulated")
def test_a_state_continues_where_it_stood(pack, tmp_path):
    trainer = MaterialTrainer(pack, [0, 1, 2, 3], small_config(), torch.device("cpu"), Workers())
    trainer.measure_codes()
    before = [p.detach().clone() for p in trainer.generator.parameters()]
    assert len(list(trainer.run())) == 4
    assert trainer.position == 16
    assert any(
        not torch.equal(a, b) for a, b in zip(before, trainer.generator.parameters(), strict=True)
    )
    trainer.save(tmp_path / "state.safetensors")
    other = MaterialTrainer(pack, [0, 1, 2, 3], small_config(32), torch.device("cpu"), Workers())
    other.load(tmp_path / "state.safetensors")
    assert other.position == 16
    for name in ("generator", "ema_generator", "discriminator", "codes"):
        for a, b in zip(
            getattr(trainer, name).parameters(), getattr(other, name).parameters(), strict=True
        ):
            assert torch.equal(a, b)
    assert (
        other.optimizer_g.state_dict()["state"].keys()
        == trainer.optimizer_g.state_dict()["state"].keys()
    )
    assert len(list(other.run())) == 4
    assert other.position == 32


def test_the_command_trains_exports_and_restarts_from_weights(data, tmp_path, monkeypatch):
    work, model = tmp_path / "work", tmp_path / "models" / "material"
    options = MaterialTrainOptions(
        data, work, parse_stages("128:16"), batch=8, device="cpu", export=model
    )
    train_material(options)
    assert (work / "state.safetensors").is_file()
    card = read_card(model)
    assert [c.name for c in card.classes] == ["metal"]
    assert load_material(card).tables.codes.shape == (4, 64)
    with pytest.raises(InvalidRequestError, match="--resume"):
        train_material(options)
    train_material(
        MaterialTrainOptions(
            data, tmp_path / "again", parse_stages("128:8"), batch=8, device="cpu", init=model
        )
    )
    train_material(
        MaterialTrainOptions(data, work, parse_stages("128:24"), resume=True, batch=8, device="cpu")
    )
    assert json.loads((work / "pack" / "pack.json").read_text())["assets"] == [
        "Toy0",
        "Toy1",
        "Toy2",
        "Toy3",
    ]


def test_bad_stages_are_explained():
    with pytest.raises(InvalidRequestError, match="SIZE:IMAGES"):
        parse_stages("100:x")


@pytest.mark.parametrize("game", ["relativistic", "wgan-gp"])
def test_every_adversarial_loss_trains(pack, game):
    trainer = MaterialTrainer(
        pack, [0, 1, 2, 3], replace(small_config(24), game=game), torch.device("cpu"), Workers()
    )
    trainer.measure_codes()
    records = list(trainer.run())
    assert trainer.position == 24
    assert all(np.isfinite(v) for record in records for v in record.values())


def test_a_diverged_run_goes_back_to_its_last_good_state(pack):
    trainer = MaterialTrainer(pack, [0, 1, 2, 3], small_config(48), torch.device("cpu"), Workers())
    trainer.measure_codes()
    records, broken = [], []
    for record in trainer.run():
        records.append(record)
        if trainer.position == 24 and not broken:
            broken.append(True)
            with torch.no_grad():
                trainer.generator.stem.conv.weight.fill_(float("nan"))
    assert [r["rolled_back"] for r in records if "rolled_back" in r] == [1]
    assert trainer.position == 48
    assert trainer.rate_scale == 0.5
    assert all(torch.isfinite(p).all() for p in trainer.ema_generator.parameters())


def test_a_run_that_diverges_again_and_again_says_so(pack):
    trainer = MaterialTrainer(pack, [0, 1, 2, 3], small_config(48), torch.device("cpu"), Workers())
    with pytest.raises(DivergedError, match="smaller learning rate"):
        for _ in trainer.run():
            trainer.generator.stem.conv.weight.data.fill_(float("nan"))
