# SPDX-License-Identifier: Apache-2.0
"""Losses that compare generated crops with their materials, without a discriminator."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from texgen_server.training.adversarial import DiscriminatorInput
from texgen_server.training.material import losses
from texgen_server.training.material.data import Batch, Pack
from texgen_server.training.material.inputs import Guide, guide_error
from texgen_server.training.material.settings import MaterialConfig
from texgen_server.training.material.targets import Targets


@dataclass
class Fakes:
    """A batch of generated images and what is known of them."""

    maps: Tensor
    layout: Tensor  # at 1/8 of the size
    relief: Tensor  # (B,) height range in tiles
    label: Tensor  # (B,) material, or the index that stands for some member of the class
    own: Tensor  # (B,) 1 where the code is that of one material, 0 where it is a mix
    guide: Guide | None  # of crops above the coarse density


class FittingLosses:
    """The weighted losses of a configuration, against the targets of a pack."""

    def __init__(self, config: MaterialConfig, targets: Targets) -> None:
        self.config, self.targets = config, targets
        self._layout_strength = _layout_strength(targets.pack).to(targets.device)

    def terms(
        self, seen: DiscriminatorInput, seen_real: DiscriminatorInput, fakes: Fakes, real: Batch
    ) -> dict[str, Tensor]:
        """Return the weighted losses that need no discriminator; images of mixed codes do not
        count.

        A crop that its own scan guides is compared with that scan's crop, any other with its
        material.
        """
        config, own, index = self.config, fakes.own, real.index
        target, pixels = self.targets.of(real.maps.shape[-1], real.density)
        relief_error = torch.log(fakes.relief / self.targets.relief[index]).abs()
        terms = {"relief": (relief_error * own).mean()}
        statistics = losses.texture_statistics(seen.taps)
        scanned = fakes.guide is not None and fakes.guide.scanned
        aim = losses.texture_statistics(seen_real.taps) if scanned else target.of(index)
        terms["statistics"] = config.statistics * target.distance(statistics, aim, own)
        if fakes.guide is None:
            mean, deviation = pixels[0, index], pixels[1, index]
            terms["pixels"] = losses.pixel_statistics(seen.maps, mean, deviation, own)
            terms["layout"] = config.layout * losses.layout_error(
                fakes.maps, fakes.layout, self._layout_strength[index], own
            )
        else:
            terms["guide"] = config.guide * guide_error(fakes.maps, fakes.guide).mean()
        if scanned or (fakes.guide is None and real.extent_tiles == 1.0):
            spectra = losses.map_spectra(seen.maps) - losses.map_spectra(seen_real.maps)
            terms["spectrum"] = config.spectrum * (spectra.abs().mean((1, 2)) * own).mean()
        return terms


def _layout_strength(pack: Pack) -> Tensor:
    """Return (materials, 5): the share of each channel's variance that its waves explain."""
    return (torch.from_numpy(pack.amplitudes).abs().square().sum(1) / 2.0).clamp(0.0, 1.0)
