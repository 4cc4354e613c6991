# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np

from texgen_server.repair.normal_integration import central_slopes, integrate
from texgen_server.training.scanned_relief import ambient_occlusion, blend_scanned


def smooth(rng, size=64, cycles=6):
    spectrum = np.zeros((size, size), complex)
    spectrum[:cycles, :cycles] = rng.normal(size=(cycles, cycles)) + 1j * rng.normal(
        size=(cycles, cycles)
    )
    height = np.real(np.fft.ifft2(spectrum)) * size
    return (height - height.mean()).astype(np.float32)


def exact_slopes(height):
    wave_y = 2j * np.pi * np.fft.fftfreq(height.shape[0])[:, None]
    wave_x = 2j * np.pi * np.fft.fftfreq(height.shape[1])[None]
    spectrum = np.fft.fft2(height)
    return np.real(np.fft.ifft2(wave_x * spectrum)), np.real(np.fft.ifft2(wave_y * spectrum))


def test_integration_undoes_differentiation(rng):
    height = smooth(rng)
    again = integrate(*exact_slopes(height))
    assert np.abs(again - height).max() < 1e-3 * height.std()


def test_a_bump_is_a_bump_not_a_dent(rng):
    y, x = np.meshgrid(np.arange(64), np.arange(64), indexing="ij")
    height = np.exp(-((y - 32) ** 2 + (x - 32) ** 2) / 50).astype(np.float32)
    again = integrate(*central_slopes(height))
    assert np.unravel_index(again.argmax(), again.shape) == (32, 32)


def test_a_scan_gives_the_low_frequencies_whatever_its_scale(rng):
    height = smooth(rng, cycles=16)
    low_lost = height - smooth_low(height)
    blend, correlation = blend_scanned(low_lost, 0.2 + height * 0.01)
    assert correlation > 0.5
    assert (
        np.corrcoef(blend.ravel(), height.ravel())[0, 1]
        > np.corrcoef(low_lost.ravel(), height.ravel())[0, 1]
    )


def smooth_low(height):
    spectrum = np.fft.fft2(height)
    cycles = np.hypot(*np.meshgrid(np.fft.fftfreq(64) * 64, np.fft.fftfreq(64) * 64))
    return np.real(np.fft.ifft2(np.where(cycles < 4, spectrum, 0)))


def test_a_scan_of_something_else_is_ignored(rng):
    height, other = smooth(rng), smooth(rng)
    blend, correlation = blend_scanned(height, other)
    assert correlation < 0.3
    assert np.array_equal(blend, height)


def test_occlusion_is_dark_in_a_pit_and_none_on_a_plane():
    flat = np.zeros((64, 64), np.float32)
    assert (ambient_occlusion(flat) == 1).all()
    flat[30:34, 30:34] = -8
    ao = ambient_occlusion(flat)
    assert ao[32, 32] < 0.7 < ao[5, 5]
    assert np.allclose(np.roll(ao, 20, 0), ambient_occlusion(np.roll(flat, 20, 0)), atol=1e-5)
