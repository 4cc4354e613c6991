# SPDX-License-Identifier: Apache-2.0
"""Repair: missing maps agree with those that are there, nothing that is there changes unasked, what
was done is told.
"""

from __future__ import annotations

import numpy as np
import pytest

from tests.texgen_server.repair.test_seams import blobs
from texgen.errors import InvalidRequestError
from texgen.files.images import decode
from texgen.maps import FILLABLE, MAP_SPECS, MATERIAL_MAPS, Encoding, MapKind, MapSet, Tiling
from texgen.modelcard import find_card
from texgen_server.backends import load_backend
from texgen_server.backends.torch_backend import TorchBackend
from texgen_server.material.postprocess import normal_from_height
from texgen_server.registry import load_model
from texgen_server.repair.missing_maps import (
    RELIEF_TILES,
    estimator_input,
    fill_maps,
    resized,
    sharpened,
)
from texgen_server.repair.options import RepairOptions
from texgen_server.repair.pipeline import repair_maps

NOBODY = np.zeros(3, np.float32)


@pytest.fixture(scope="module")
def model(models):
    return load_model(find_card("estimator", models))


@pytest.fixture(scope="module")
def estimator(model):
    return TorchBackend(model, "cpu", "f32")


def waves(edge=96, relief_px=6.0):
    """A periodic height and its normals."""
    rows = np.arange(edge) / edge * 2 * np.pi
    height = 0.5 + 0.2 * np.sin(rows)[:, None] + 0.25 * np.cos(2 * rows)[None]
    stored = np.round(height * 65535).astype(np.uint16)[..., None]
    normal = normal_from_height(stored[..., 0], relief_px)
    return stored, np.round((normal.transpose(1, 2, 0) * 0.5 + 0.5) * 255).astype(np.uint8)


@pytest.mark.parametrize(
    "there",
    [
        [MapKind.BASECOLOR],
        [MapKind.HEIGHT],
        [MapKind.NORMAL],
        [MapKind.BASECOLOR, MapKind.ROUGHNESS],
    ],
)
def test_what_is_missing_is_made_and_nothing_else(estimator, rng, there):
    height, normal = waves()
    all_maps = {
        MapKind.BASECOLOR: blobs(rng, (96, 96), period=True),
        MapKind.HEIGHT: height,
        MapKind.NORMAL: normal,
    }
    all_maps[MapKind.ROUGHNESS] = all_maps[MapKind.BASECOLOR][..., :1]
    filled = fill_maps({k: all_maps[k] for k in there}, FILLABLE, estimator, NOBODY)
    assert list(filled.maps) == [k for k in FILLABLE if k not in there]
    for kind, pixels in filled.maps.items():
        assert pixels.shape == (96, 96, MAP_SPECS[kind].channels)
        assert str(pixels.dtype) == MAP_SPECS[kind].dtype
    assert set(filled.sources) == set(filled.maps)
    assert filled.sources.get(MapKind.HEIGHT) in (
        None,
        "normal" if MapKind.NORMAL in there else "estimate",
    )


def test_height_from_a_normal_map_is_its_integral(estimator):
    height, normal = waves()
    filled = fill_maps({MapKind.NORMAL: normal}, [MapKind.HEIGHT], estimator, NOBODY)
    made = filled.maps[MapKind.HEIGHT][..., 0].astype(float)
    assert np.corrcoef(made.ravel(), height[..., 0].ravel())[0, 1] > 0.999
    deep = made.std() * filled.relief_tiles / (height.astype(float).std() * 6.0 / 96)
    assert deep == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("there", [MapKind.HEIGHT, MapKind.BASECOLOR])
def test_height_and_normal_agree(estimator, rng, there):
    maps = {MapKind.HEIGHT: waves()[0], MapKind.BASECOLOR: blobs(rng, (96, 96), period=True)}
    filled = fill_maps({there: maps[there]}, FILLABLE, estimator, NOBODY)
    height = filled.maps.get(MapKind.HEIGHT, maps[MapKind.HEIGHT])[..., 0]
    want = normal_from_height(height, filled.relief_tiles * 96).transpose(1, 2, 0)
    assert np.abs(filled.maps[MapKind.NORMAL] - (want * 0.5 + 0.5) * 255).max() <= 0.51
    assert RELIEF_TILES[0] <= filled.relief_tiles <= RELIEF_TILES[1]


def test_estimates_roll_with_the_picture(estimator, rng):
    color = blobs(rng, (256, 256), period=True)
    plain = fill_maps({MapKind.BASECOLOR: color}, FILLABLE, estimator, NOBODY).maps
    rolled = fill_maps(
        {MapKind.BASECOLOR: np.roll(color, (32, 48), (0, 1))}, FILLABLE, estimator, NOBODY
    ).maps
    for kind, pixels in plain.items():
        if kind is not MapKind.NORMAL:
            top = 255 if pixels.dtype == np.uint8 else 65535
            assert (
                np.abs(np.roll(pixels, (32, 48), (0, 1)).astype(float) - rolled[kind]).max()
                <= 0.01 * top
            ), kind


def test_openvino_estimates_as_torch_does(model, estimator, rng, tmp_path):
    seen = estimator_input({MapKind.BASECOLOR: blobs(rng, (200, 300), period=True)})[None]
    assert seen.shape == (1, 15, 256, 384)
    (ours,) = load_backend(model, "openvino", "f32", tmp_path).run("estimate", [seen, NOBODY[None]])
    (theirs,) = estimator.run("estimate", [seen, NOBODY[None]])
    assert np.abs(ours - theirs).max() < 1e-3


def test_the_class_matters(estimator, rng):
    color = {MapKind.BASECOLOR: blobs(rng, (64, 64), period=True)}
    plain, told = (
        fill_maps(color, [MapKind.ROUGHNESS], estimator, share).maps
        for share in (NOBODY, np.eye(3, dtype=np.float32)[1])
    )
    assert not np.array_equal(plain[MapKind.ROUGHNESS], told[MapKind.ROUGHNESS])


def test_small_planes_follow_the_edges_of_their_guide():
    guide = np.zeros((128, 128, 3), np.uint8)
    guide[:, 37:91] = 200
    truth = guide[..., 0].astype(np.float32) / 255 * 0.5 + 0.2
    small = resized(truth, (32, 32))
    plain, sharp = (
        np.abs(made - truth).mean()
        for made in (resized(small, (128, 128)), sharpened(small, {MapKind.BASECOLOR: guide}))
    )
    assert sharp < 0.6 * plain


def test_nothing_asked_for_changes_nothing(rng):
    maps = {MapKind.BASECOLOR: blobs(rng)}
    repaired = repair_maps(
        maps, RepairOptions(Tiling.NEVER, False, frozenset(), NOBODY), None, None
    )
    assert np.array_equal(repaired.maps[MapKind.BASECOLOR], maps[MapKind.BASECOLOR])
    assert repaired.steps == {MapKind.BASECOLOR: ()}


def test_a_photograph_becomes_a_set(client, rng):
    seen = []
    made = client.repair(
        {MapKind.BASECOLOR: blobs(rng)},
        clean=True,
        fill=FILLABLE,
        class_name="brick",
        encoding=Encoding.RAW,
        on_progress=lambda p: seen.append(p.fraction),
    )
    assert tuple(made.maps) == MATERIAL_MAPS
    assert made.repairs[MapKind.BASECOLOR] == ("cleaned", "tiled")
    assert {made.repairs[k] for k in FILLABLE} == {("from estimate",)}
    assert made.height_range_tiles > 0
    assert type(made) is MapSet
    assert seen == sorted(seen)


def test_a_tileable_set_is_left_as_it_came(client, rng):
    color = blobs(rng, period=True)
    made = client.repair({MapKind.BASECOLOR: color}, fill=[MapKind.AO], encoding=Encoding.RAW)
    assert np.array_equal(decode(made.maps[MapKind.BASECOLOR]), color)
    assert made.repairs == {MapKind.BASECOLOR: (), MapKind.AO: ("from estimate",)}


def test_alpha_comes_along(client, rng):
    """A seam is mended in the alpha as in the colour; cleaning and filling take colours only."""
    color = blobs(rng)
    alpha = np.where(color[..., :1] > 128, 255, 0).astype(np.uint8)
    made = client.repair(
        {MapKind.BASECOLOR: np.concatenate([color, alpha], 2)},
        tiling="always",
        fill=[MapKind.ROUGHNESS],
        encoding=Encoding.RAW,
    )
    after = decode(made.maps[MapKind.BASECOLOR])
    assert after.shape[2] == 4
    agree = (after[..., 3] > 127) == (after[..., 0] > 128)
    assert agree.mean() > 0.97


@pytest.mark.parametrize(
    ("maps", "arguments", "message"),
    [
        ({MapKind.BASECOLOR: (8, 8, 3)}, {"tiling": "always"}, "at least 16 px"),
        ({MapKind.ROUGHNESS: (32, 32, 1)}, {}, "send at least one of them"),
        ({MapKind.BASECOLOR: (32, 32, 3)}, {"fill": [MapKind.BASECOLOR]}, "cannot be filled"),
        ({MapKind.BASECOLOR: (32, 32, 3)}, {"class_name": "cheese"}, "unknown class 'cheese'"),
        (
            {MapKind.BASECOLOR: (32, 32, 3)},
            {"tiling": "perhaps"},
            "allowed are auto, always, never",
        ),
        ({MapKind.BASECOLOR: (32, 32, 3), MapKind.AO: (32, 31, 1)}, {}, "maps of unlike sizes"),
        ({MapKind.BASECOLOR: (32, 32, 3)}, {"model": "material"}, "of kind 'material'"),
        (
            {MapKind.BASECOLOR: (32, 32, 3)},
            {"class_name": "brick", "fill": ()},
            "say in fill which to make",
        ),
        ({}, {}, "announce one to 6 maps"),
    ],
)
def test_what_is_wrong_is_told(client, rng, maps, arguments, message):
    pixels = {kind: rng.integers(0, 256, shape, np.uint8) for kind, shape in maps.items()}
    with pytest.raises(InvalidRequestError, match=message):
        client.repair(pixels, **({"fill": FILLABLE} | arguments))
