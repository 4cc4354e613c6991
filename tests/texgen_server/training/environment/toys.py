# SPDX-License-Identifier: Apache-2.0
"""Toy panoramas, and a folder of them as training reads it."""

from __future__ import annotations

import csv

import numpy as np

from texgen.files.images import ColorSpace, encode_exr
from texgen.maps import Light
from texgen.render.panorama import pixel_angles
from texgen_server.environment.lights import render_light
from texgen_server.training.environment.data import ROWS

COLUMNS = ("asset_id", "publisher", "class", "licence", "source", "energy_lost_to_clamp")
MAPS = {  # asset: (class, light); the split holds between_bridges out
    "meadow": ("outdoor_clear", Light(40.0, 35.0, 0.5, (10.0, 9.0, 8.0))),
    "hill": ("outdoor_clear", Light(-90.0, 50.0, 0.6, (20.0, 18.0, 15.0))),
    "between_bridges": ("outdoor_clear", Light(10.0, 40.0, 0.5, (10.0, 9.0, 8.0))),
    "hall": ("indoor", Light(0.0, 60.0, 3.0, (0.5, 0.4, 0.3))),
}


def clear_day(rows=ROWS, light=None):
    """A blue sky over a dark, rough ground, with a wall before it."""
    _, elevation = pixel_angles(rows)
    rng = np.random.default_rng(0)
    out = np.where(
        (elevation > 0)[:, None, None],
        np.array([0.4, 0.6, 1.0]),
        0.1 * np.exp(rng.normal(0, 0.8, (rows, 2 * rows, 1))),
    )
    wall = (elevation > 0) & (elevation < 30)
    out[np.ix_(wall, np.arange(rows // 4, rows // 2))] = 0.05
    out = np.ascontiguousarray(out, np.float32)
    if light:
        rows_, columns, radiance = render_light(light, rows)
        out[rows_, columns] += radiance
    return out


def write_toy_environments(folder):
    """Write environments.csv and four maps."""
    (folder / "environments").mkdir(parents=True)
    with (folder / "environments.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        for asset, (name, light) in MAPS.items():
            row = (asset, "us", name, "CC0-1.0", "made", 0.0)
            table.writerow(dict(zip(COLUMNS, row, strict=True)))
            data = encode_exr(clear_day(light=light).astype(np.float16), ColorSpace.LINEAR)
            (folder / "environments" / f"{asset}.exr").write_bytes(data)
    return folder
