# SPDX-License-Identifier: Apache-2.0
"""What the upscaler keeps: tiles, flat places, means, lengths of normals, sizes of numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.texgen_server.upscaling.small import SCALE, random_maps
from tests.tiny import UPSCALER_PARAMS
from texgen.errors import InvalidRequestError
from texgen.maps import MapKind
from texgen_server.backends import load_backend
from texgen_server.precision import allowed
from texgen_server.upscaling.tiled import (
    TiledUpscaler,
    normal_from_slopes,
    slopes_from_normal,
)


@SCALE
def test_enlarging_commutes_with_a_roll(upscaling, rng, scale):
    ours, maps = replace(upscaling, scale=scale), random_maps(rng)
    plain = ours.maps(maps)
    rolled = ours.maps({k: np.roll(v, (5, 9), (0, 1)) for k, v in maps.items()})
    for kind, large in plain.items():
        difference = np.roll(large, (5 * scale, 9 * scale), (0, 1)).astype(int) - rolled[
            kind
        ].astype(int)
        assert np.abs(difference).max() <= (1 if large.dtype == np.uint8 else 7), (
            kind
        )  # 7 / 65535 is 1e-4
        assert large.shape[:2] == (40 * scale, 56 * scale)
        assert large.dtype == maps[kind].dtype


@SCALE
def test_tiles_equal_the_whole_and_a_smaller_halo_would_not(upscaling, rng, scale):
    ours, maps = (
        replace(upscaling, scale=scale),
        {MapKind.HEIGHT: random_maps(rng, 96, 96)[MapKind.HEIGHT]},
    )
    whole = ours.maps(maps)[MapKind.HEIGHT].astype(int)
    tiled = replace(ours, tile_px=17).maps(maps)[MapKind.HEIGHT].astype(int)
    assert np.abs(whole - tiled).max() <= 1
    narrow = (
        replace(ours, tile_px=17, halo_px=ours.halo_px - 3).maps(maps)[MapKind.HEIGHT].astype(int)
    )
    assert np.abs(whole - narrow).max() > 7


@SCALE
def test_the_mean_stays(upscaling, rng, scale):
    maps = random_maps(rng)
    large = replace(upscaling, scale=scale).maps(maps)
    for kind in (MapKind.BASECOLOR, MapKind.ROUGHNESS, MapKind.AO):
        assert np.abs(large[kind].mean((0, 1)) - maps[kind].mean((0, 1))).max() < 0.5, kind
        assert large[kind].std() > 10


@SCALE
def test_normals_are_unit_vectors(upscaling, rng, scale):
    normal = (
        replace(upscaling, scale=scale).maps(random_maps(rng))[MapKind.NORMAL] / 255.0 * 2.0 - 1.0
    )
    assert np.abs(np.linalg.norm(normal, axis=-1) - 1.0).max() < 0.01


def test_slopes_and_normals_are_inverse(rng):
    slopes = rng.normal(0, 0.3, (2, 5, 7)).astype(np.float32)
    assert np.abs(slopes_from_normal(normal_from_slopes(slopes)[:2]) - slopes).max() < 1e-4


def test_each_map_may_come_alone_and_alpha_is_kept(upscaling, rng):
    color = rng.integers(0, 256, (32, 32, 4), np.uint8)
    color[..., 3] = np.where(np.arange(32) < 16, 0, 255)
    large = upscaling.maps({MapKind.BASECOLOR: color})[MapKind.BASECOLOR]
    assert large.shape == (64, 64, 4)
    assert large[:, 8:24, 3].max() < 60
    assert large[:, 40:56, 3].min() > 195


def test_bad_input_is_refused(upscaling, rng):
    maps = random_maps(rng)
    with pytest.raises(InvalidRequestError, match=r"unlike sizes.*height 28 x 40"):
        upscaling.maps(
            {
                MapKind.BASECOLOR: maps[MapKind.BASECOLOR],
                MapKind.HEIGHT: maps[MapKind.HEIGHT][:, ::2],
            }
        )
    with pytest.raises(InvalidRequestError, match="at least one"):
        upscaling.maps({})
    with pytest.raises(InvalidRequestError, match="16384"):
        upscaling.maps({MapKind.AO: np.zeros((8, 8200, 1), np.uint8)})


@pytest.mark.parametrize("scale", [2, 4])
def test_openvino_enlarges_as_torch_does(model, upscaling, rng, scale, tmp_path):
    pytest.importorskip("openvino")
    maps = random_maps(rng)
    ours = TiledUpscaler(
        load_backend(model, "openvino", "f32", tmp_path), UPSCALER_PARAMS.halo_px, scale
    ).maps(maps)
    theirs = replace(upscaling, scale=scale).maps(maps)
    for kind in theirs:
        assert np.abs(ours[kind].astype(int) - theirs[kind].astype(int)).max() <= (
            1 if ours[kind].dtype == np.uint8 else 7
        )


@pytest.mark.skipif(
    "bf16" not in allowed("openvino"), reason="this CPU does not multiply in bfloat16"
)
def test_half_precision_keeps_the_detail_of_a_smooth_map(model, upscaling, tmp_path):
    """A height that changes by less than bfloat16 can tell apart around 0.7 comes out as in
    float32.
    """
    rows = np.arange(48) / 48 * 2 * np.pi
    height = np.round(
        (0.7 + 0.001 * np.sin(rows)[:, None] * np.cos(3 * rows)[None]) * 65535
    ).astype(np.uint16)[..., None]
    exact = upscaling.maps({MapKind.HEIGHT: height})[MapKind.HEIGHT].astype(int)
    half = replace(upscaling, backend=load_backend(model, "openvino", "bf16", tmp_path)).maps(
        {MapKind.HEIGHT: height}
    )
    assert (
        np.abs(half[MapKind.HEIGHT].astype(int) - exact).max() <= 3
    )  # of 131 levels between valley and peak; bfloat16 has 256 a step


def test_float_colours_go_through_unclipped_and_in_one_piece(upscaling, rng):
    """Radiance: what a 16-bit colour would come to, but without its rounding and its bounds."""
    planes = rng.random((3, 24, 48)).astype(np.float32)
    large = upscaling.color_planes(planes)
    coded = np.round(planes.transpose(1, 2, 0) * 65535.0).astype(np.uint16)
    rounded = upscaling.maps({MapKind.BASECOLOR: coded})[MapKind.BASECOLOR]
    inside = (large > 0.0) & (large < 1.0)
    apart = np.abs(large - rounded.transpose(2, 0, 1) / np.float32(65535.0))
    assert large.shape == (3, 48, 96)
    assert large.dtype == np.float32
    assert apart[inside].max() < 1e-4
    flat = np.broadcast_to(np.float32([2.5, -1.0, 0.25])[:, None, None], (3, 16, 16))
    assert np.allclose(
        upscaling.color_planes(flat), np.repeat(np.repeat(flat, 2, 1), 2, 2), atol=1e-5
    )
