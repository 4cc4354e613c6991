# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

import numpy as np

from texgen.dataset.plan import choose_sample, make_plan
from texgen.dataset.view import View
from texgen.maps import MapKind

MAPS = ("basecolor", "normal", "roughness", "metallic", "height", "ao")


def contents(folder):
    return {
        str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }


def model(**materials):
    classes = [SimpleNamespace(name=name, materials=count) for name, count in materials.items()]
    controls = [
        SimpleNamespace(name="age", minimum=-1.0, maximum=1.0, default_value=0.0),
        SimpleNamespace(name="relief", minimum=0.0, maximum=4.0, default_value=1.0),
        SimpleNamespace(name="tile_px", minimum=128.0, maximum=1024.0, default_value=512.0),
    ]
    return SimpleNamespace(id="m", digest="ab", classes=classes, controls=controls)


def plan_of(model, *chosen, balance=False, **rest):
    known = {
        "count": 1000,
        "size_px": 64,
        "seed": 3,
        "form": "webdataset",
        "views": 1,
        "shard": 100,
        "spread": 1.0,
    }
    return make_plan(model, chosen, balance=balance, **known | rest)


def counted(plan, first, last):
    return Counter(choose_sample(plan, n).class_name for n in range(first, last))


def maps(edge=64):
    rng = np.random.default_rng(1)
    flat = np.zeros((edge, edge, 3), np.uint8) + np.array([128, 128, 255], np.uint8)
    grey = np.full((edge, edge, 1), 200, np.uint8)
    colour = np.kron(rng.integers(40, 216, (8, 8, 3)), np.ones((edge // 8, edge // 8, 1))).astype(
        np.uint8
    )
    return {
        MapKind.BASECOLOR: colour,
        MapKind.NORMAL: flat,
        MapKind.ROUGHNESS: grey,
        MapKind.METALLIC: grey * 0,
        MapKind.AO: np.full((edge, edge, 1), 255, np.uint8),
    }


ABOVE = View((0.5, 0.5, 1.0), (0.5, 0.5, 0.0), (0.0, 0.0, 1.0), (1.0, 1.0, 1.0), 1.0)
