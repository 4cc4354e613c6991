# SPDX-License-Identifier: Apache-2.0
"""Directions of normal maps, measured on surfaces whose direction is known."""

from __future__ import annotations

import numpy as np
import pytest

from texgen.inputs.normals import measure_direction


def surface(seed, edge=128):
    """A periodic height (edge, edge) in pixels, of several scales."""
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft2(rng.standard_normal((edge, edge)))
    down, right = np.fft.fftfreq(edge)[:, None], np.fft.rfftfreq(edge)[None]
    radius = np.hypot(down, right)
    field = np.fft.irfft2(spectrum * np.exp(-((radius / 0.08) ** 2)), (edge, edge))
    return field / field.std() * 2.0


def normal_of(height, *, dx=False, swapped=False, dtype=np.uint8):
    """The normal map of a height, by central differences on the torus."""
    right = (np.roll(height, -1, 1) - np.roll(height, 1, 1)) / 2
    down = (np.roll(height, -1, 0) - np.roll(height, 1, 0)) / 2
    vector = np.stack([-right, -down if dx else down, np.ones_like(height)], -1)
    vector /= np.linalg.norm(vector, axis=-1, keepdims=True)
    if swapped:
        vector = vector[..., [1, 0, 2]]
    top = np.iinfo(dtype).max
    return np.rint((vector * 0.5 + 0.5) * top).astype(dtype)


def grey(height, *, inside_out=False):
    low, high = height.min(), height.max()
    values = (height - low) / (high - low)
    return np.rint((1.0 - values if inside_out else values) * 65535).astype(np.uint16)[..., None]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("seed", range(3))
def test_green_is_found_without_a_height(seed, dtype):
    height = surface(seed)
    assert measure_direction(normal_of(height, dtype=dtype)).green == "gl"
    assert measure_direction(normal_of(height, dx=True, dtype=dtype)).green == "dx"


@pytest.mark.parametrize("seed", range(3))
def test_exchanged_axes_are_pointed_out(seed):
    found = measure_direction(normal_of(surface(seed), swapped=True))
    assert found.axes_swapped
    assert found.green == ""
    assert not measure_direction(normal_of(surface(seed))).axes_swapped


@pytest.mark.parametrize("dx", [False, True])
def test_a_relief_inside_out_is_pointed_out(dx):
    height = surface(1)
    normal = normal_of(height, dx=dx)
    assert not measure_direction(normal, grey(height)).relief_flipped
    assert measure_direction(normal, grey(height, inside_out=True)).relief_flipped


def test_a_flat_map_says_nothing():
    flat = np.full((64, 64, 3), (128, 128, 255), np.uint8)
    found = measure_direction(flat, np.zeros((64, 64, 1), np.uint16))
    assert (found.green, found.axes_swapped, found.relief_flipped) == ("", False, False)


def test_noise_that_belongs_to_no_surface_says_nothing():
    noise = np.random.default_rng(1).integers(100, 156, (256, 256, 3), np.uint8)
    assert measure_direction(noise).green == ""
