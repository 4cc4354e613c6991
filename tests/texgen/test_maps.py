# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from texgen.maps import from_unit, seam_percentile, to_unit


def periodic(rng, size=64):
    spectrum = np.fft.fft2(rng.normal(size=(size, size)))
    cycles = np.hypot(*np.meshgrid(np.fft.fftfreq(size) * size, np.fft.fftfreq(size) * size))
    image = np.real(np.fft.ifft2(spectrum / (1 + cycles) ** 1.5))
    image = (image - image.min()) / np.ptp(image)
    return np.round(image * 255).astype(np.uint8)[..., None]


def test_a_periodic_image_has_no_seam_and_a_cut_one_has(rng):
    image = periodic(rng)
    rolled = [seam_percentile(np.roll(image, shift, (0, 1))) for shift in range(0, 64, 7)]
    assert np.median(rolled) < 95
    assert seam_percentile(image[:50, :50]) == 100 * 49 / 49


def test_flat_has_none():
    assert seam_percentile(np.full((8, 8, 3), 7, np.uint8)) == 0.0


def test_unit_range():
    assert to_unit(np.array([0, 65535], np.uint16)).tolist() == [0.0, 1.0]
    assert to_unit(np.array([0, 255], np.uint8)).tolist() == [0.0, 1.0]


@pytest.mark.parametrize(("dtype", "top"), [(np.uint8, 255), (np.uint16, 65535)])
def test_quantising_inverts_to_unit_and_rounds_as_each_place_did_before(dtype, top, rng):
    """Maps round halves up, previews to even; both clip."""
    levels = np.arange(top + 1).astype(dtype)
    assert np.array_equal(from_unit(to_unit(levels), dtype), levels)
    edges = np.array([-0.5, -1e-9, 0.0, 1.0, 1.0 + 1e-6, 7.0], np.float32)
    halves = ((np.arange(200) + 0.5) / top).astype(np.float32)
    unit = np.concatenate([edges, halves, rng.random(100_000).astype(np.float32) * 1.2 - 0.1])
    clipped = np.clip(unit, 0.0, 1.0)
    up = np.floor(clipped * np.float32(top) + np.float32(0.5)).astype(dtype)
    even = np.round(clipped * np.float32(top)).astype(dtype)
    assert np.array_equal(from_unit(unit, dtype), up)
    assert np.array_equal(from_unit(unit, dtype, half_to_even=True), even)
    inside = unit[(unit >= 0) & (unit <= 1)]  # maps after the network were not clipped
    plain = np.floor(inside * np.float32(top) + np.float32(0.5)).astype(dtype)
    assert np.array_equal(from_unit(inside, dtype), plain)


def test_half_floats_are_only_narrowed():
    assert from_unit(np.array([-2.0, 70.5], np.float32), np.float16).tolist() == [-2.0, 70.5]
