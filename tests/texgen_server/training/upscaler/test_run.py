# SPDX-License-Identifier: Apache-2.0
"""A toy training of the upscaler: it starts as bicubic interpolation, gets ahead of it, goes on
where it stood, and exports.
"""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from texgen.modelcard import read_card
from texgen_server.networks.channels import MAP_CHANNELS
from texgen_server.networks.params import UPSCALER_CHANNELS, UpscalerParams
from texgen_server.networks.torch_parts import build_upscaler
from texgen_server.registry import load_model
from texgen_server.training.runner import EvalOptions
from texgen_server.training.upscaler import evaluate
from texgen_server.training.upscaler.degradations import (
    MAPS,
    flipped,
    synthetic_metallic,
    with_slopes,
)
from texgen_server.training.upscaler.export import write_upscaler
from texgen_server.training.upscaler.image_metrics import compare
from texgen_server.training.upscaler.scans import FULL_PX, FullScans
from texgen_server.training.upscaler.settings import UpscalerConfig
from texgen_server.training.upscaler.trainer import UpscalerTrainer

pytestmark = pytest.mark.slow
CONFIG = UpscalerConfig(
    steps=160,
    batch=4,
    shares=(0.1, 0.45, 0.45),
    small_px=32,
    margin_px=6,
    lr=3e-3,
    params=UpscalerParams(16, 4),
)


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    """One scan of sharp blocks, in all maps but metallic."""
    folder = tmp_path_factory.mktemp("scans")
    rng = np.random.default_rng(0)
    maps = (
        np.kron(rng.random((1, sum(MAP_CHANNELS.values()), 64, 64)), np.ones((16, 16))) * 0.4 + 0.3
    )
    np.save(folder / "upscaler.npy", np.round(maps * 65535).astype(np.uint16))
    (folder / "upscaler.json").write_text(
        json.dumps({"assets": ["blocks"], "known": [[name != "metallic" for name in MAP_CHANNELS]]})
    )
    assert maps.shape[-1] == FULL_PX
    return FullScans(folder)


def mean_gain(records):
    """Share of bicubic's error that is gone."""
    return np.mean(
        [v for r in records for k, v in r.items() if k.endswith("_gain") and not k.startswith("x1")]
    )


@pytest.mark.held
@pytest.mark.usefixtures("nothing_emulated")
def test_it_gets_ahead_of_bicubic_interpolation_and_goes_on(scans, tmp_path):
    trainer = UpscalerTrainer(scans, [0], CONFIG, torch.device("cpu"))
    records = list(trainer.run())
    assert mean_gain(records[:3]) == pytest.approx(0.0, abs=0.02)
    assert mean_gain(records[-32:]) > 0.05
    assert any("metallic" in key for r in records for key in r)  # made up: the scan has none
    trainer.save(tmp_path / "state.safetensors")
    other = UpscalerTrainer(scans, [0], CONFIG, torch.device("cpu"))
    other.load(tmp_path / "state.safetensors")
    assert other.position == 160
    assert all(
        torch.equal(a, b)
        for a, b in zip(trainer.ema.parameters(), other.ema.parameters(), strict=True)
    )
    weights = {k: v.numpy() for k, v in other.ema.state_dict().items()}
    write_upscaler(weights, CONFIG.params, tmp_path / "upscaler", "0.0.1", {"training_images": 640})
    model = load_model(read_card(tmp_path / "upscaler"))
    assert build_upscaler(model.params, model.weights).params == CONFIG.params


def test_turned_crops_keep_their_normals(scans):
    """A map whose normals were made from its height still agrees after flips and turns."""
    rows = torch.arange(32.0)
    height = torch.sin(rows / 5)[:, None] + torch.cos(rows / 7)[None]
    down, right = torch.gradient(height)
    normal = torch.stack([-right, down, torch.ones_like(right)])
    normal = normal / normal.norm(dim=0)
    maps = torch.zeros(1, 9, 32, 32)
    maps[0, 3:5], maps[0, 7] = normal[:2] * 0.5 + 0.5, height
    seen = set()
    for seed in range(24):
        turned = flipped(maps, torch.Generator().manual_seed(seed))
        slopes = with_slopes(turned)[0, 3:5] * 2.0
        want = torch.gradient(turned[0, 7])
        seen.add(round(float(turned[0, 7, 3, 11]), 4))
        assert (slopes[0] - want[1]).abs()[2:-2, 2:-2].max() < 1e-3
        assert (slopes[1] - want[0]).abs()[2:-2, 2:-2].max() < 1e-3
    assert len(seen) == 8


def test_a_measurement_that_was_cut_off_goes_on(scans, models, tmp_path, monkeypatch):
    """Figures of every method and map, pictures within their size; what the file keeps is not
    measured again, but for a line cut off.
    """
    np.save(tmp_path / "upscaler.npy", np.asarray(scans.maps)[:, :, :256, :256])
    (tmp_path / "upscaler.json").write_text(
        json.dumps({"assets": ["Tiles045"], "known": scans.known.tolist()})
    )
    monkeypatch.setattr(evaluate, "real_esrgan", lambda: None)
    small, options = (
        FullScans(tmp_path),
        EvalOptions(
            tmp_path,
            tmp_path,
            tmp_path / "cache",
            "upscaler",
            models,
            device="torch",
            pictures=tmp_path,
        ),
    )
    first = evaluate.evaluate_upscaler(options, [0], small)
    assert set(first["texgen x4"]) == set(first["lanczos x2"]) == set(MAP_CHANNELS) - {"metallic"}
    assert first["texgen's lead x4"]["ao"] == pytest.approx(
        first["texgen x4"]["ao"]["psnr_db"]
        - max(first[f"{peer} x4"]["ao"]["psnr_db"] for peer in ("bicubic", "lanczos"))
    )
    assert all(
        0 < (tmp_path / name).stat().st_size <= 300_000
        for name in ("crops_x2.webp", "crops_x4.webp", "cleaned.webp")
    )
    journal = tmp_path / "upscaler_eval.jsonl"
    journal.write_bytes(journal.read_bytes()[:-40])
    measured = []
    monkeypatch.setattr(
        evaluate, "compare", lambda name, *pair: measured.append(name) or compare(name, *pair)
    )
    assert evaluate.evaluate_upscaler(replace(options, pictures=None), [0], small) == first
    assert len(measured) == len(first["texgen x1"])


def test_metallic_maps_are_made_up_only_where_there_is_none():
    random = torch.Generator().manual_seed(3)
    before = torch.rand(32, UPSCALER_CHANNELS, 16, 16, generator=random)
    known = torch.ones(32, len(MAPS), dtype=torch.bool)
    place = MAPS.index("metallic")
    known[::2, place] = False
    after = before.clone()
    made = synthetic_metallic(after, known, random)
    assert made[:, place].any()
    assert not made[1::2].any()
    assert not made[:, [i for i in range(len(MAPS)) if i != place]].any()
    changed = (after != before).flatten(2).any(2)  # (B, 9)
    assert changed.sum() == made.sum()
    masks = after[made[:, place]][changed[made[:, place]]]
    assert masks.min() >= 0.0
    assert masks.max() <= 1.0
    assert (masks.flatten(1).std(1) > 0.05).all()
