# SPDX-License-Identifier: Apache-2.0
"""Statistics without positions: of feature taps and of spectra.

Training and captures compare pictures by them.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812


def tap_moments(taps: list[Tensor]) -> Tensor:
    """Compute means and deviations of all taps (B, C, h, w): (B, D), by which materials are
    compared.
    """
    return torch.cat([m for t in taps for m in (t.float().mean((2, 3)), t.float().std((2, 3)))], 1)


def tap_statistics(taps: list[Tensor]) -> list[Tensor]:
    """Compute for each image the mean and deviation of each tap, and the Gram matrix of the first
    two.

    Taps (B, C, h, w) -> list of (B, n).
    """
    out = []
    for level, tap in enumerate(taps):
        tap = tap.float()
        out += [tap.mean((2, 3)), tap.std((2, 3))]
        if level < 2:
            pixels = tap.flatten(2)
            gram = torch.einsum("bcn,bdn->bcd", pixels, pixels) / pixels.shape[2]
            out.append(gram.flatten(1))
    return out


def radial_spectrum(images: Tensor) -> Tensor:
    """Compute the log power in rings of half an octave on the torus: (B, C, S, S) -> (B, C, rings).
    The mean does not count.
    """
    spectrum = torch.fft.rfft2(images, norm="ortho").abs().square()
    rows, columns = spectrum.shape[-2:]
    cycles = torch.hypot(
        torch.fft.fftfreq(rows)[:, None] * rows, torch.arange(columns)[None].float()
    )
    ring = (2.0 * torch.log2(cycles.clamp_min(1.0))).round().long()
    member = F.one_hot(ring.flatten()).float().to(images.device)
    member[0] = 0.0  # the mean has losses of its own
    power = spectrum.flatten(2) @ (member / member.sum(0).clamp_min(1.0))
    return torch.log(power + 1e-4)
