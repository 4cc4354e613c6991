# SPDX-License-Identifier: Apache-2.0
"""Small early pictures: there before the result, and like it."""

from __future__ import annotations

import numpy as np

from texgen.files.images import decode, decode_png
from texgen.maps import Encoding, MapKind
from texgen.modelcard import find_card
from texgen.recipes.build import make_recipe
from texgen.render.panorama import tone_map
from texgen_server.config import ServerConfig
from texgen_server.engine.jobs import MaterialJob
from texgen_server.engine.local import LocalEngine
from texgen_server.material.previews import PREVIEW_PX, pixels_preview


def likeness(a, b):
    return float(np.corrcoef(a.reshape(-1).astype(float), b.reshape(-1).astype(float))[0, 1])


def test_a_large_material_shows_itself_before_it_is_enlarged(client):
    seen = []
    material = client.generate(
        "brick",
        seed=3,
        size_px=(1024, 512),
        detail="sr",
        encoding=Encoding.RAW,
        on_preview=lambda kind, png: seen.append((kind, decode_png(png))),
    )
    ((kind, small),) = seen
    assert kind is MapKind.BASECOLOR
    assert small.shape == (128, 256, 3)
    assert likeness(small, pixels_preview(decode(material.maps[MapKind.BASECOLOR]))) > 0.95


def test_a_dense_material_shows_its_coarse_pass(models):
    """Through the engine: a tiny network is done before a client could be told."""
    seen = []
    engine = LocalEngine(ServerConfig(models=models, device="torch"))
    card = find_card("material", models)
    recipe = make_recipe(
        card, [("brick", 1.0)], 3, (1024, 512), controls={"tile_px": 512.0, "hue_shift": 90.0}
    )
    job = MaterialJob(recipe, on_preview=lambda kind, pixels: seen.append(pixels))
    result = engine.submit("material", job).result(60)
    engine.close(5.0)
    (small,) = seen
    assert max(small.shape[:2]) <= PREVIEW_PX
    assert small.shape[1] == 2 * small.shape[0]
    final = pixels_preview(result.maps[MapKind.BASECOLOR])
    assert (
        np.abs(small.mean((0, 1)) - final.mean((0, 1))).max() < 20
    )  # the same material, recoloured as it will be


def test_a_small_material_does_not(client):
    seen = []
    client.generate(
        "brick",
        seed=3,
        size_px=(256, 256),
        encoding=Encoding.RAW,
        on_preview=lambda *told: seen.append(told),
    )
    assert not seen


def test_a_large_environment_shows_itself_early_turned_as_it_will_be(client):
    seen = []
    environment = client.generate_environment(
        "outdoor_clear",
        seed=3,
        width_px=2048,
        controls={"sun_azimuth_deg": 120.0},
        encoding=Encoding.RAW,
        on_preview=lambda kind, png: seen.append((kind, decode_png(png))),
    )
    ((kind, small),) = seen
    assert kind is MapKind.ENVIRONMENT
    made = tone_map(decode(environment.panorama).astype(np.float32))
    step = made.shape[0] // small.shape[0]
    assert likeness(small, made[step // 2 :: step, step // 2 :: step]) > 0.8
