# SPDX-License-Identifier: Apache-2.0
"""The codec starts at the linear optimum, commutes with shifts of the torus, sees no further than
its halo.
"""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from texgen_server.networks.codec import CELL_PX, STEP, Codec, CodecParams, draw_noise
from texgen_server.training.codec.evaluate import measure, measure_transform, top_octave_power
from texgen_server.training.codec.report import compare
from texgen_server.training.codec.transform import fit_transform
from texgen_server.training.codec.weights import read_codec, write_codec

PARAMS = CodecParams(
    latents=6,
    encoder_width=8,
    encoder_blocks=1,
    widths=(8, 8, 8),
    blocks=(1, 1, 1),
    noise_channels=2,
)


@pytest.fixture(scope="module")
def transform(pictures):
    return fit_transform(pictures, [0, 1, 2], PARAMS.latents)


def make_codec(transform, *, trained: bool) -> Codec:
    """Untrained, or with every weight moved so that all paths matter."""
    torch.manual_seed(1)
    codec = Codec(PARAMS, transform.basis, transform.deviations)
    if trained:
        for p in codec.parameters():
            p.data += 0.1 * torch.randn_like(p)
    return codec.requires_grad_(requires_grad=False)


def test_the_transform_is_orthonormal_and_keeps_most_energy(pictures, transform):
    rows = transform.basis.flatten(1)
    assert torch.allclose(rows @ rows.T, torch.eye(PARAMS.latents), atol=1e-4)
    assert (transform.deviations.diff() <= 1e-6).all()


def test_an_untrained_codec_is_the_quantised_transform(pictures, transform):
    codec = make_codec(transform, trained=False)
    maps = pictures.whole(0)
    latents = codec.encoder(maps).round()
    linear = torch.nn.functional.conv2d(
        maps * codec.encoder.weights, transform.basis, stride=CELL_PX
    )
    assert torch.equal(latents, (linear / STEP).round())
    assert torch.allclose(codec.decoder(latents), codec.decoder.linear(latents), atol=1e-6)


def test_decoding_commutes_with_shifts_by_cells(pictures, transform):
    codec = make_codec(transform, trained=True)
    random = torch.Generator().manual_seed(0)
    latents = torch.randint(-4, 5, (1, PARAMS.latents, 6, 8), generator=random).float()
    noise = draw_noise(PARAMS, (1, 6, 8), latents.device, random)
    plain = codec.decoder(latents, noise)
    rolled = codec.decoder(
        latents.roll((2, 3), (2, 3)),
        tuple(n.roll((2 * k, 3 * k), (2, 3)) for n, k in zip(noise, (2, 4), strict=True)),
    )
    assert torch.allclose(rolled, plain.roll((16, 24), (2, 3)), atol=1e-5)
    assert not torch.allclose(plain, codec.decoder(latents), atol=1e-3)  # the noise does something
    maps = pictures.whole(0)
    assert torch.allclose(
        codec.encoder(maps.roll(16, 2)), codec.encoder(maps).roll(2, 2), atol=1e-4
    )


def test_a_pixel_depends_on_no_cell_beyond_the_halo(transform):
    codec = make_codec(transform, trained=True)
    halo, size = PARAMS.halo_cells, 2 * PARAMS.halo_cells + 3
    latents = torch.zeros(1, PARAMS.latents, size, size)
    moved = latents.clone()
    moved[..., 0, 0] = 5.0
    difference = (
        (codec.decoder(latents, None, "zeros") - codec.decoder(moved, None, "zeros"))
        .abs()
        .amax((0, 1))
    )
    reached = difference.view(size, CELL_PX, size, CELL_PX).amax((1, 3)) > 0
    assert not reached[halo + 1 :].any()
    assert not reached[:, halo + 1 :].any()
    assert reached[halo - 1].any()  # the stated halo is no larger than a cell more than needed
    middle = slice(halo, size - halo)
    around = codec.decoder(
        torch.randn(1, PARAMS.latents, size, size, generator=torch.Generator().manual_seed(2)),
        None,
        "zeros",
    )
    assert torch.isfinite(around[..., middle, middle]).all()


def test_measures_of_the_transform_at_equal_bits(pictures, transform):
    codec = make_codec(transform, trained=False)
    mine = measure(codec, pictures, [0, 1], None)
    same = measure_transform(transform, pictures, [0, 1], [f.bits for f in mine])
    for a, b in zip(mine, same, strict=True):
        assert b.bits == pytest.approx(a.bits, rel=0.02)
        assert b.mean_psnr == pytest.approx(a.mean_psnr, abs=0.3)
    pack = SimpleNamespace(about={name: SimpleNamespace(family="S") for name in pictures.ids})
    report = compare(codec, transform, pictures, pack, noise=False)
    assert report["families"]["S"] == report["all"]
    assert abs(report["all"]["gain_db"]) < 0.3
    blurred = pictures.whole(0).clone()
    assert top_octave_power(
        torch.nn.functional.avg_pool2d(blurred, 3, 1, 1)[0]
    ) < 0.2 * top_octave_power(blurred[0])


def test_weights_survive_their_file(tmp_path, transform):
    codec = make_codec(transform, trained=True)
    write_codec(codec, tmp_path / "codec.safetensors")
    again = read_codec(tmp_path / "codec.safetensors")
    assert again.params == PARAMS
    assert all(
        torch.equal(a, b)
        for a, b in zip(codec.state_dict().values(), again.state_dict().values(), strict=True)
    )


def test_weights_stored_as_half_floats_are_read_in_float32(tmp_path, transform):
    path = tmp_path / "codec.safetensors"
    write_codec(make_codec(transform, trained=True), path)
    with safe_open(path, "pt") as file:
        about = file.metadata()
    save_file({key: value.half() for key, value in load_file(path).items()}, path, about)
    assert {value.dtype for value in read_codec(path).parameters()} == {torch.float32}
