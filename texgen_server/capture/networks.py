# SPDX-License-Identifier: Apache-2.0
"""The networks that a capture holds in memory. Needs the extra ``capture``."""

from __future__ import annotations

import torch

from texgen_server.networks.frozen_features import FrozenFeatures
from texgen_server.networks.layers import channels_last
from texgen_server.networks.material import MaterialGenerator
from texgen_server.networks.torch_parts import build_generator
from texgen_server.process.torch_guest import as_guest
from texgen_server.registry import MaterialModel


class CaptureNetworks:
    """The networks of a capture: frozen features, and a generator with a trainable path to the
    style.
    """

    def __init__(self, model: MaterialModel) -> None:
        self.model = model
        with as_guest():
            self.features = FrozenFeatures("efficientnet-lite0")
            self.generator: MaterialGenerator = channels_last(
                build_generator(model.params, model.weights)
            )
            # the first optimiser imports half of torch
            torch.optim.Adam([torch.zeros(1, requires_grad=True)])
