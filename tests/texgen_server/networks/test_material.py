# SPDX-License-Identifier: Apache-2.0
"""The material generator: rolls, styles, heights and normals."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from tests.tiny import PARAMS, tiny_generator
from texgen_server.networks.layers import (
    StyleModulation,
)
from texgen_server.networks.material import normal_from_height


def random_inputs(rows=3, columns=2, seed=0):
    g = torch.Generator().manual_seed(seed)
    sizes = [(rows * 2**i, columns * 2**i) for i in range(PARAMS.levels)]
    return (
        torch.randn(1, PARAMS.style_dim, generator=g),
        torch.randn(1, PARAMS.noise_channels, rows, columns, generator=g),
        [torch.randn(1, 5, *s, generator=g) for s in sizes],
        [torch.randn(1, 1, *s, generator=g) for s in sizes],
    )


@torch.no_grad()
@pytest.mark.parametrize("guided", [False, True])
@pytest.mark.parametrize("cells", [(1, 0), (0, 1), (2, 1)])
def test_rolling_the_inputs_rolls_the_output(cells, guided):
    generator = tiny_generator()
    style, start, layouts, noises = random_inputs()
    guide = torch.rand(1, 8, 48, 32, generator=torch.Generator().manual_seed(3)) if guided else None
    plain = generator(style, start, layouts, noises, guide)

    def roll(x, i=0):
        return torch.roll(x, (cells[0] * 2**i, cells[1] * 2**i), (2, 3))

    fields = [
        roll(start),
        [roll(f, i) for i, f in enumerate(layouts)],
        [roll(f, i) for i, f in enumerate(noises)],
    ]
    rolled = generator(style, *fields, None if guide is None else roll(guide, PARAMS.levels - 1))
    assert (torch.roll(plain, (cells[0] * 32, cells[1] * 32), (2, 3)) - rolled).abs().max() < 1e-5
    assert plain.std() > 0.01


@torch.no_grad()
def test_a_zero_padded_convolution_would_be_caught(monkeypatch):
    """The property above is worth something: with zero padding it fails."""
    from texgen_server.networks import layers

    monkeypatch.setattr(layers, "circular_pad", lambda x, p: F.pad(x, (p, p, p, p)))
    with pytest.raises(AssertionError):
        test_rolling_the_inputs_rolls_the_output.__wrapped__((1, 0), guided=False)


@torch.no_grad()
def test_painted_styles_equal_the_plain_ones_where_they_are_alone():
    layer = StyleModulation(4, 6)
    styles, x = torch.randn(1, 2, 6), torch.randn(1, 4, 8, 8)
    share = torch.zeros(1, 2, 8, 8)
    share[:, 0, :, :4] = share[:, 1, :, 4:] = 1.0
    painted = layer(x, styles, share)
    assert torch.allclose(painted[..., :4], layer(x, styles[:, 0])[..., :4], atol=1e-5)
    assert torch.allclose(painted[..., 4:], layer(x, styles[:, 1])[..., 4:], atol=1e-5)


def test_one_style_a_level_equals_one_for_all():
    generator = tiny_generator()
    style, start, layouts, noises = random_inputs(2, 2)
    levels = style[:, None].expand(-1, generator.params.levels, -1)
    with torch.no_grad():
        assert torch.equal(
            generator(style, start, layouts, noises), generator(levels, start, layouts, noises)
        )


@torch.no_grad()
def test_height_has_no_terraces_when_the_trunk_is_bf16():
    generator = tiny_generator()
    style, start, layouts, noises = random_inputs(4, 4)
    with torch.autocast("cpu", torch.bfloat16):
        height = generator(style, start, layouts, noises)[0, 3]
    assert height.dtype == torch.float32
    levels = torch.unique(torch.round(height * 65535)).numel()
    assert levels > 0.2 * height.numel(), "a bf16 head would leave a few hundred levels"


def test_normals_point_up_the_slope_in_opengl_convention():
    height = torch.zeros(1, 1, 8, 8)
    height[..., 3:5] = 1.0  # a ridge that runs down the picture
    normal = normal_from_height(height, torch.tensor([4.0]))
    assert torch.allclose(normal.norm(dim=1), torch.ones(1, 8, 8), atol=1e-6)
    assert normal[0, 0, 4, 2] < 0 < normal[0, 0, 4, 5], "x points away from the ridge"
    turned = normal_from_height(height.transpose(2, 3), torch.tensor([4.0]))
    assert turned[0, 1, 2, 4] > 0 > turned[0, 1, 5, 4], "y points up the picture above the ridge"
