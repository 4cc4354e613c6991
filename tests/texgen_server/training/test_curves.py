# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import pytest
from PIL import Image

from texgen.errors import InvalidRequestError
from texgen_server.training.curves import COLOURS, draw_curves, read_log


def write_log(path, factor):
    records = [
        {
            "images": i * 400,
            "statistics": factor / (i + 1),
            "pixels": 0.5,
            "layout": 0.1,
            "relief": 0.2,
        }
        for i in range(20)
    ]
    records.insert(5, {"images": 1, "rolled_back": 1})
    path.write_text("\n".join(map(json.dumps, records)))
    return path


def test_every_run_has_its_line(tmp_path):
    logs = {
        name: write_log(tmp_path / f"{name}.jsonl", factor)
        for name, factor in (("hinge", 1.0), ("wgan-gp", 2.0))
    }
    draw_curves(logs, tmp_path / "curves.png")
    colours = {c for _, c in Image.open(tmp_path / "curves.png").convert("RGB").getcolors(1 << 20)}
    for name in COLOURS[:2]:
        assert tuple(int(name[i : i + 2], 16) for i in (1, 3, 5)) in colours


def test_what_is_no_log_is_said(tmp_path):
    (tmp_path / "a").write_text("no json")
    (tmp_path / "b").write_text("{}")
    for name, message in (
        ("a", "not a training log"),
        ("b", "no losses"),
        ("c", "not a training log"),
    ):
        with pytest.raises(InvalidRequestError, match=message):
            read_log(tmp_path / name)
