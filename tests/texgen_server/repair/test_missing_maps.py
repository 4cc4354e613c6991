# SPDX-License-Identifier: Apache-2.0
"""Missing maps: computed or estimated."""

from __future__ import annotations

import numpy as np
import pytest

from tests.texgen_server.repair.pictures import blobs
from tests.texgen_server.repair.relief import NOBODY
from texgen.maps import MAP_SPECS, MapKind
from texgen_server.backends import load_backend
from texgen_server.material.postprocess import normal_from_height
from texgen_server.repair.missing_maps import (
    FILLABLE,
    RELIEF_TILES,
    estimator_input,
    fill_maps,
    resized,
    sharpened,
)

pytestmark = pytest.mark.torch


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
