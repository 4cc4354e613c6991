# SPDX-License-Identifier: Apache-2.0
"""Promises that hold for the shipped weights."""

from __future__ import annotations

import numpy as np
import pytest

from texgen import find_card
from texgen.maps import FILLABLE, MapKind, to_unit
from texgen.recipes.build import make_recipe
from texgen_server.backends.torch_backend import TorchBackend
from texgen_server.material.postprocess import normal_from_height
from texgen_server.material.sampling import make_plan
from texgen_server.material.synthesis import Synthesis
from texgen_server.registry import load_material, load_model
from texgen_server.repair.missing_maps import fill_maps
from texgen_server.upscaling.tiled import TiledUpscaler

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model():
    return load_material(find_card("material"))


@pytest.fixture(scope="module")
def backend(model):
    return TorchBackend(model, "cpu")


def test_every_control_moves_what_it_names(model, backend):
    from texgen_server.training.material.evaluate_controls import MEASURES, evaluate_controls

    report = evaluate_controls(model, backend, ["brick", "rock", "bark", "wood", "gravel"])
    assert set(report) == {c.name for c in model.card.controls} - {"tile_size_m"}
    assert set(report) <= set(MEASURES)
    assert {name for name, found in report.items() if not found["monotonic"]} == set()


def test_three_controls_are_directions_of_the_latent_space(model):
    assert len(model.tables.directions) >= 3
    assert all(
        not next(c for c in model.card.controls if c.name == name).post_process
        for name in model.tables.directions
    )


def test_psi_zero_is_one_picture_whatever_the_seed(model, backend):
    made = []
    for seed in (1, 2, 3):
        recipe = make_recipe(model.card, [("concrete", 1.0)], seed, (128, 128), 0.0)
        made.append(
            Synthesis(backend, model.shape).maps(make_plan(recipe, model.tables, model.shape))[0][
                MapKind.BASECOLOR
            ]
        )
    assert np.array_equal(made[0], made[1])
    assert np.array_equal(made[0], made[2])


def brick_wall(edge=256):
    """Courses of bricks with thin joints, and a height that agrees: what an upscaler must
    not blur.
    """
    y, x = np.mgrid[:edge, :edge]
    course = y // 32
    joint = (y % 32 < 3) | ((x + 32 * (course % 2)) % 64 < 3)
    shade = np.random.default_rng(1).random((edge // 32, edge // 64 + 1))[
        course, ((x + 32 * (course % 2)) // 64) % (edge // 64)
    ]
    color = np.where(
        joint[..., None],
        [190, 185, 175],
        np.stack([130 + 50 * shade, 70 + 25 * shade, 55 + 15 * shade], -1),
    )
    return {
        MapKind.BASECOLOR: color.astype(np.uint8),
        MapKind.AO: np.where(joint, 120, 250).astype(np.uint8)[..., None],
    }


def test_the_upscaler_keeps_joints_better_than_bicubic():
    from PIL import Image

    wall = brick_wall()
    small = {
        k: p.reshape(128, 2, 128, 2, -1).mean((1, 3)).round().astype(np.uint8)
        for k, p in wall.items()
    }
    made = shipped_upscaling(2).maps(small)
    for kind, real in wall.items():
        planes = [
            Image.fromarray(small[kind][..., i]).resize((256, 256), Image.Resampling.BICUBIC)
            for i in range(real.shape[2])
        ]
        ours, theirs = (
            np.mean((m.astype(float) - real) ** 2) for m in (made[kind], np.stack(planes, -1))
        )
        assert ours < 0.95 * theirs, kind


def shipped_upscaling(scale):
    card = find_card("upscaler")
    return TiledUpscaler(
        TorchBackend(load_model(card), "cpu", "f32"), int(card.network["halo_px"]), scale
    )


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_the_upscaler_keeps_means_and_flat_flat(scale):
    upscaling, wall = shipped_upscaling(scale), brick_wall()
    made = upscaling.maps(wall)
    for kind, real in wall.items():
        assert np.abs(made[kind].mean((0, 1)) - real.mean((0, 1))).max() < 0.5
    flat = {MapKind.BASECOLOR: np.full((40, 40, 3), (200, 90, 30), np.uint8)}
    assert (upscaling.maps(flat)[MapKind.BASECOLOR] == (200, 90, 30)).all()


def test_every_class_has_phrases_and_every_material_words(model):
    import tomllib

    tags = tomllib.loads((model.card.folder / "tags.toml").read_text(encoding="utf-8"))
    assert set(tags["phrases"]) == set(model.card.class_names())
    assert set(tags["materials"]) == {m for c in model.card.classes for m in c.materials}


def test_the_estimator_completes_a_brick_wall():
    """Height from the normal is the wall's own; bricks come out rough and not metallic, and darker
    in the joints than on the bricks.
    """
    maps = brick_wall()
    edges = maps[MapKind.AO][..., 0].astype(np.float32) / 255.0
    for axis in (0, 1):  # no step: a slope has to be seen
        edges = (np.roll(edges, 1, axis) + edges + np.roll(edges, -1, axis)) / 3.0
    height = np.round(edges * 65535.0).astype(np.uint16)
    normal = (normal_from_height(height, 6.0).transpose(1, 2, 0) * 0.5 + 0.5) * 255.0
    model = load_model(find_card("estimator"))
    share = np.array([name == "brick" for name in model.card.class_names()], np.float32)
    given = {
        MapKind.BASECOLOR: maps[MapKind.BASECOLOR],
        MapKind.NORMAL: np.round(normal).astype(np.uint8),
    }
    filled = fill_maps(given, FILLABLE, TorchBackend(model, "cpu", "f32"), share)
    made = {kind: to_unit(pixels)[..., 0] for kind, pixels in filled.maps.items()}
    assert filled.sources == {
        MapKind.ROUGHNESS: "estimate",
        MapKind.METALLIC: "estimate",
        MapKind.HEIGHT: "normal",
        MapKind.AO: "estimate",
    }
    assert np.corrcoef(made[MapKind.HEIGHT].ravel(), height.ravel())[0, 1] > 0.97
    assert made[MapKind.METALLIC].mean() < 0.05
    assert 0.4 < made[MapKind.ROUGHNESS].mean() < 1.0
    deep = height < 0.7 * height.max()
    assert made[MapKind.AO][deep].mean() < made[MapKind.AO][~deep].mean()
