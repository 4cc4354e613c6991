# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np

from texgen.seams import seam_percentile


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
