# SPDX-License-Identifier: Apache-2.0
"""The upscaler's evaluation: figures of every method, and a cache that outlives an interruption."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from tests.texgen_server.training.toys import write_toy_scans
from texgen_server.networks.channels import MAP_CHANNELS
from texgen_server.training.runner import EvalOptions
from texgen_server.training.upscaler import evaluate
from texgen_server.training.upscaler.image_metrics import compare
from texgen_server.training.upscaler.scans import FullScans

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    return write_toy_scans(tmp_path_factory.mktemp("scans"))


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
