# SPDX-License-Identifier: Apache-2.0
"""The discriminator of the second phase: scores patches of all nine maps, given the material that
they should be of.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from texgen_server.networks.codec import MAPS

GAIN = 1.4
SLOPE = 0.2


class Critic(nn.Module):
    """A network from maps (B, 9, S, S) and latent statistics (B, 2 latents) to scores (B, 1, S / 8,
    S / 8).

    The first layer sees full resolution, so it sees grain. The material enters as a projection
    (Miyato and Koyama 2018).
    """

    def __init__(self, width: int, condition: int) -> None:
        super().__init__()
        sizes = [MAPS, width // 2, width, 2 * width, 3 * width]
        self.full = nn.Conv2d(sizes[0], sizes[1], 3, padding=1)
        self.down = nn.ModuleList(
            nn.Conv2d(a, b, 4, stride=2, padding=1) for a, b in itertools.pairwise(sizes[1:])
        )
        self.last = nn.Conv2d(sizes[-1], sizes[-1], 3, padding=1)
        self.score = nn.Conv2d(sizes[-1], 1, 1)
        self.material = nn.Linear(condition, sizes[-1])

    def forward(self, maps: Tensor, condition: Tensor) -> Tensor:
        x = F.leaky_relu(self.full(maps), SLOPE) * GAIN
        for layer in self.down:
            x = F.leaky_relu(layer(x), SLOPE) * GAIN
        x = F.leaky_relu(self.last(x), SLOPE) * GAIN
        scores: Tensor = self.score(x) + (x * self.material(condition)[:, :, None, None]).mean(
            1, keepdim=True
        )
        return scores


def critic_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Return the relativistic average loss of the critic (Jolicoeur-Martineau 2018), each image
    beside its counterpart of the same material.
    """
    return F.softplus(fake - _mean(real)).mean() + F.softplus(_mean(fake) - real).mean()


def decoder_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Return the decoder's loss: fakes should score above the mean of the real crops."""
    return F.softplus(_mean(real) - fake).mean()


def squared_gradient(scores: Tensor, maps: Tensor) -> Tensor:
    """Return the squared gradient of the scores with respect to the maps, as a mean over images and
    scores (R1 at real, R2 at fake maps; Mescheder et al. 2018).
    """
    (gradient,) = torch.autograd.grad(scores.sum(), maps, create_graph=True)
    return gradient.square().sum((1, 2, 3)).mean() / scores[0].numel()


def _mean(scores: Tensor) -> Tensor:
    return scores.mean((1, 2, 3), keepdim=True)
