# SPDX-License-Identifier: Apache-2.0
"""Measures a codec on whole exemplars:

PSNR against the quantised block transform at equal bits, and the share of grain that is left.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from texgen_server.networks.codec import CELL_PX, CHANNEL_WEIGHTS, STEP, Codec, draw_noise
from texgen_server.precision.autocast import exact
from texgen_server.training.codec.pixels import PictureSet
from texgen_server.training.codec.rate import counted_bits
from texgen_server.training.codec.transform import Transform

GROUPS = {"basecolor": slice(0, 3), "normal": slice(3, 5), "roughness": slice(5, 6)}
"""Maps that figures are given for."""
PEAK_SQUARED = 4.0
"""Squared range of a channel: deviations are in units of half of it."""


@dataclass(frozen=True)
class Figures:
    """Measurements of one exemplar."""

    asset_id: str
    bits: float
    """Zeroth-order entropy in bits a cell."""
    psnr: dict[str, float]
    """PSNR of each map in dB; constant maps are left out."""
    top_octave: dict[str, float]
    """Power of each map above half the Nyquist frequency, over the scan's."""

    @property
    def mean_psnr(self) -> float:
        """Mean PSNR over the maps that are there, in dB."""
        return float(np.mean(list(self.psnr.values()))) if self.psnr else float("nan")


@torch.no_grad()
def measure(
    codec: Codec, pictures: PictureSet, rows: list[int], noise_seed: int | None
) -> list[Figures]:
    """Encode, round and decode whole tori; the decoder gets noise only if a seed is given."""
    found = []
    for row in rows:
        maps, known = pictures.whole(row), pictures.known[row].view(1, -1, 1, 1)
        with exact(pictures.device):
            latents = codec.encoder(maps * known).round()
            noise = None
            if noise_seed is not None:
                random = torch.Generator(pictures.device).manual_seed(noise_seed)
                noise = draw_noise(codec.params, (1, *latents.shape[2:]), pictures.device, random)
            made = codec.decoder(latents, noise).float()
        found.append(_figures(pictures, row, maps, made, counted_bits(latents[0].float())))
    return found


@torch.no_grad()
def measure_transform(
    transform: Transform, pictures: PictureSet, rows: list[int], wanted_bits: list[float]
) -> list[Figures]:
    """Measure the block transform alone, its quantiser step tuned for each picture so that it costs
    ``wanted_bits``.
    """
    weights = torch.tensor(CHANNEL_WEIGHTS, device=pictures.device).view(1, -1, 1, 1)
    basis = transform.basis.to(pictures.device)
    found = []
    for row, bits in zip(rows, wanted_bits, strict=True):
        maps, known = pictures.whole(row), pictures.known[row].view(1, -1, 1, 1)
        coefficients = F.conv2d(maps * known * weights, basis, stride=CELL_PX)
        step = _step_for(coefficients, bits)
        rounded = (coefficients / step).round()
        made = F.conv_transpose2d(rounded * step, basis, stride=CELL_PX) / weights
        found.append(_figures(pictures, row, maps, made, counted_bits(rounded[0])))
    return found


def _step_for(coefficients: Tensor, bits: float) -> float:
    """Find the quantiser step at which coefficients (1, n, h, w) cost so many bits a cell, by
    bisection.
    """
    low, high = STEP / 64, STEP * 16
    for _ in range(24):
        middle = (low * high) ** 0.5
        low, high = (
            (middle, high)
            if counted_bits((coefficients / middle).round()[0]) > bits
            else (low, middle)
        )
    return float((low * high) ** 0.5)


def _figures(pictures: PictureSet, row: int, maps: Tensor, made: Tensor, bits: float) -> Figures:
    known = pictures.known[row].bool()
    psnr, top = {}, {}
    for name, channels in GROUPS.items():
        present = known[channels]
        if present.any():
            error = (made - maps)[:, channels][:, present]
            psnr[name] = float(
                10.0 * torch.log10(PEAK_SQUARED / error.square().mean().clamp_min(1e-9))
            )
            own = top_octave_power(maps[0, channels][present])
            if own > 1e-4:
                top[name] = top_octave_power(made[0, channels][present]) / own
    return Figures(pictures.ids[row], bits, psnr, top)


def top_octave_power(maps: Tensor) -> float:
    """Return the power of (C, H, W) periodic maps above half the Nyquist frequency, summed over
    channels, per pixel.
    """
    spectrum = torch.fft.fft2(maps.float()).abs().square()
    frequency = torch.hypot(
        torch.fft.fftfreq(maps.shape[1])[:, None], torch.fft.fftfreq(maps.shape[2])[None]
    ).to(maps.device)
    return float(spectrum[:, frequency > 0.25].sum()) / (maps.shape[1] * maps.shape[2]) ** 2


def summary(figures: list[Figures]) -> dict[str, float]:
    """Return means of PSNR and bits, and medians of power."""
    out = {
        "bits": float(np.mean([f.bits for f in figures])),
        "mean_psnr": float(np.nanmean([f.mean_psnr for f in figures])),
    }
    for name in GROUPS:
        out[f"{name}_psnr"] = float(
            np.mean([f.psnr[name] for f in figures if name in f.psnr] or [np.nan])
        )
        out[f"{name}_top_octave"] = float(
            np.median([f.top_octave[name] for f in figures if name in f.top_octave] or [np.nan])
        )
    return {key: round(value, 3) for key, value in out.items()}
