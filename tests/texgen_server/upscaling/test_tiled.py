# SPDX-License-Identifier: Apache-2.0
"""What the upscaler keeps: tiles, flat places, means, lengths of normals, sizes of numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from tests.tiny import UPSCALER_PARAMS, tiny_upscaler, write_tiny_upscaler
from texgen.errors import InvalidRequestError
from texgen.maps import MAP_SPECS, Border, MapKind
from texgen.modelcard import read_card
from texgen_server.backends import load_backend
from texgen_server.backends.torch_backend import TorchBackend
from texgen_server.networks.params import UPSCALER_CHANNELS, bicubic_kernel
from texgen_server.networks.upscaler import bicubic
from texgen_server.precision import allowed
from texgen_server.registry import load_model
from texgen_server.upscaling.tiled import (
    TiledUpscaler,
    normal_from_slopes,
    slopes_from_normal,
)

SCALE = pytest.mark.parametrize("scale", [2, 4])


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "upscaler"
    write_tiny_upscaler(folder)
    return load_model(read_card(folder))


@pytest.fixture(scope="module")
def upscaling(model):
    return TiledUpscaler(TorchBackend(model, "cpu", "f32"), UPSCALER_PARAMS.halo_px, 2)


def random_maps(rng, height=40, width=56):
    """All maps, with unit normals; grainy, so that nothing is smooth by chance."""
    maps = {}
    for kind, spec in MAP_SPECS.items():
        top = 255 if spec.dtype == "uint8" else 65535
        maps[kind] = (rng.random((height, width, spec.channels)) * 0.8 * top + 0.1 * top).astype(
            spec.dtype
        )
    normal = rng.normal(0, 0.3, (height, width, 3)) + np.array([0.0, 0.0, 1.0])
    maps[MapKind.NORMAL] = np.round(
        (normal / np.linalg.norm(normal, axis=-1, keepdims=True) * 0.5 + 0.5) * 255
    ).astype(np.uint8)
    return maps


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
@torch.no_grad()
def test_flat_stays_flat_exactly_whatever_the_weights(scale):
    flat = torch.rand(1, UPSCALER_CHANNELS, 1, 1).expand(1, UPSCALER_CHANNELS, 48, 48).contiguous()
    cut = UPSCALER_PARAMS.halo_px * scale
    large = tiny_upscaler()(flat, scale)[..., cut:-cut, cut:-cut]
    assert (large - flat[..., :1, :1]).abs().max() < 1e-5


@SCALE
@torch.no_grad()
def test_nothing_of_a_strong_map_leaks_into_a_constant_one(scale):
    """A constant metallic map beside a grainy colour comes out constant: each map is enlarged in
    units of its own contrast.
    """
    maps = torch.rand(1, UPSCALER_CHANNELS, 48, 48)
    maps[:, 6] = 1.0
    large = tiny_upscaler()(maps, scale)
    cut = UPSCALER_PARAMS.halo_px * scale
    assert (large[:, 6, cut:-cut, cut:-cut] - 1.0).abs().max() < 1e-5
    assert large[:, :3].std() > 0.2


@SCALE
@torch.no_grad()
def test_what_is_added_grows_with_the_contrast(scale):
    """Half the contrast of a map, half of what is added to it, all else alike."""
    torch.manual_seed(0)
    maps, network = torch.rand(1, UPSCALER_CHANNELS, 48, 48), tiny_upscaler()
    fainter = maps.clone()
    fainter[:, 5] = 0.5 + (maps[:, 5] - 0.5) * 0.5
    added = [
        network(m, scale)[:, 5] - F.pixel_shuffle(bicubic(m, scale), scale)[:, 5]
        for m in (maps, fainter)
    ]
    cut = UPSCALER_PARAMS.halo_px * scale
    strong, faint = (a[:, cut:-cut, cut:-cut] for a in added)
    assert (faint * 2.0 - strong).abs().mean() < 0.05 * strong.abs().mean()


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


def test_the_bicubic_kernel_is_a_partition_of_unity_and_exact_on_ramps():
    for scale in (2, 4):
        kernel = torch.from_numpy(bicubic_kernel(scale)).double().reshape(scale, scale, 5, 5)
        assert torch.allclose(
            kernel.sum((2, 3)), torch.ones(scale, scale, dtype=torch.float64), atol=1e-6
        )
        ramp = torch.arange(-2.0, 3.0, dtype=torch.float64)
        offsets = (torch.arange(scale) + 0.5) / scale - 0.5
        assert torch.allclose((kernel.sum(3) * ramp).sum(2)[:, 0], offsets.double(), atol=1e-6)


def test_each_map_may_come_alone_and_alpha_is_kept(upscaling, rng):
    color = rng.integers(0, 256, (32, 32, 4), np.uint8)
    color[..., 3] = np.where(np.arange(32) < 16, 0, 255)
    large = upscaling.maps({MapKind.BASECOLOR: color})[MapKind.BASECOLOR]
    assert large.shape == (64, 64, 4)
    assert large[:, 8:24, 3].max() < 60
    assert large[:, 40:56, 3].min() > 195


def test_borders(upscaling, rng):
    """A wrapped border joins the sides; a mirrored one does not look there."""
    maps = {MapKind.HEIGHT: random_maps(rng)[MapKind.HEIGHT]}
    other = {MapKind.HEIGHT: maps[MapKind.HEIGHT].copy()}
    other[MapKind.HEIGHT][:, -3:] = 65535 - other[MapKind.HEIGHT][:, -3:]
    for border, sees in (
        (Border.WRAP, True),
        (Border.WRAP_X, True),
        (Border.WRAP_Y, False),
        (Border.MIRROR, False),
        (Border.PANORAMA, True),
    ):
        ours = replace(upscaling, border=border)
        changed = not np.array_equal(
            ours.maps(maps)[MapKind.HEIGHT][:, :2], ours.maps(other)[MapKind.HEIGHT][:, :2]
        )
        assert changed is sees, border


def test_over_the_pole_lies_the_other_half_turn(upscaling, rng):
    """Turning a panorama by any angle turns the result, at the poles too."""
    sky = {MapKind.BASECOLOR: rng.integers(0, 256, (32, 64, 3), np.uint8)}
    ours = replace(upscaling, border=Border.PANORAMA)
    plain, turned = (
        ours.maps({MapKind.BASECOLOR: np.roll(sky[MapKind.BASECOLOR], n, 1)})[MapKind.BASECOLOR]
        for n in (0, 13)
    )
    assert np.abs(np.roll(plain, 26, 1).astype(int) - turned.astype(int)).max() <= 1
    opposite = sky[MapKind.BASECOLOR].copy()
    opposite[0, 40] = 255 - opposite[0, 40]
    seen = (
        ours.maps({MapKind.BASECOLOR: opposite})[MapKind.BASECOLOR][:2, 16:18].astype(int)
        - plain[:2, 16:18]
    )
    assert np.abs(seen).max() > 0  # column 8 looks at column 40 over the pole


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
