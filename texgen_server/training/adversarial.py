# SPDX-License-Identifier: Apache-2.0
"""Adversarial losses: hinge, relativistic with R1 and R2, Wasserstein with gradient penalty.

Scores are lists over heads of (B, n). Sources: hinge, Lim and Ye 2017; relativistic pairing with R1
and R2, Huang et al. 2024 (R3GAN), equation 2; WGAN-GP, Gulrajani et al. 2017, equation 3. Penalties
are taken at the inputs of the discriminator's heads (frozen taps, raw channels), not at pixels: the
frozen network between them is not trained.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from texgen_server.precision.autocast import quick
from texgen_server.training.discriminator import VIEWS, Discriminator
from texgen_server.training.trainer import frozen

Scores = list[Tensor]
PENALTY_EVERY = 4
"""Steps between gradient penalties, which weigh as many times more (Karras et al. 2020, "lazy
regularisation").
"""


@dataclass
class DiscriminatorInput:
    """Images as the discriminator and the statistics see them."""

    maps: Tensor
    """Images (B, C, H, W)."""
    taps: list[Tensor]
    """Taps of `FrozenFeatures` on all views, stacked along the batch: (2 B, C, h, w)."""
    raw: Tensor
    """Channels (B, C, H, W) for the head that sees no frozen features."""


@dataclass(frozen=True)
class Game:
    """An adversarial loss: the terms that the discriminator and the generator minimise."""

    discriminator: Callable[[Scores, Scores], Tensor]  # (real, fake)
    generator: Callable[[Scores, Scores], Tensor]
    penalty: str = ""  # "r1r2", "interpolated" or none


def _sum(terms: list[Tensor]) -> Tensor:
    return torch.stack(terms).sum()


def hinge_discriminator(real: Scores, fake: Scores) -> Tensor:
    """Return the sum over heads of ``E[relu(1 - D(real))] + E[relu(1 + D(fake))]``."""
    return _sum(
        [
            F.relu(1.0 - r.float()).mean() + F.relu(1.0 + f.float()).mean()
            for r, f in zip(real, fake, strict=True)
        ]
    )


def hinge_generator(_: Scores, fake: Scores) -> Tensor:
    """Return ``-E[D(fake)]``, summed over heads; a Wasserstein generator minimises it too."""
    return -_sum([f.float().mean() for f in fake])


def relativistic_discriminator(real: Scores, fake: Scores) -> Tensor:
    """Return ``E[softplus(D(fake) - D(real))]``, each pair of one material, summed over heads."""
    return _sum([F.softplus(f.float() - r.float()).mean() for r, f in zip(real, fake, strict=True)])


def relativistic_generator(real: Scores, fake: Scores) -> Tensor:
    """Return `relativistic_discriminator` with both sides exchanged."""
    return relativistic_discriminator(fake, real)


def wasserstein_discriminator(real: Scores, fake: Scores) -> Tensor:
    """Return ``E[D(fake)] - E[D(real)]``, summed over heads."""
    return _sum([f.float().mean() - r.float().mean() for r, f in zip(real, fake, strict=True)])


GAMES: dict[str, Game] = {
    "hinge": Game(hinge_discriminator, hinge_generator),
    "relativistic": Game(relativistic_discriminator, relativistic_generator, "r1r2"),
    "wgan-gp": Game(wasserstein_discriminator, hinge_generator, "interpolated"),
}


def generator_loss(
    discriminator: Discriminator,
    game: Game,
    real: DiscriminatorInput,
    fake: DiscriminatorInput,
    condition: Callable[[], Tensor],
) -> Tensor:
    """Return the generator's loss, with the discriminator's weights frozen.

    ``condition`` embeds what the images are said to be, (B, condition_dim).
    """
    with frozen(discriminator), quick(fake.maps.device):
        embedding = condition()
        fakes = discriminator(fake.taps, fake.raw, embedding)
        reals = discriminator(real.taps, real.raw, embedding) if game.penalty == "r1r2" else fakes
    return game.generator(reals, fakes)


def gradient_penalty(
    discriminator: Discriminator,
    kind: str,
    real: DiscriminatorInput,
    fake: DiscriminatorInput,
    condition: Tensor,
) -> Tensor:
    """Return a gradient penalty: for "r1r2" the squared gradient at real and at fake, for
    "interpolated" the squared distance of its norm from 1 at points between.
    """
    if kind == "r1r2":
        return _squared_gradient(discriminator, real, condition) + _squared_gradient(
            discriminator, fake, condition
        )
    count = len(condition)
    t = torch.rand(count, device=condition.device)
    taps = [
        torch.lerp(f.detach(), r.detach(), t.repeat(VIEWS)[:, None, None, None])
        for r, f in zip(real.taps, fake.taps, strict=True)
    ]
    raw = torch.lerp(fake.raw.detach(), real.raw.detach(), t[:, None, None, None])
    return (_gradient_norm(discriminator, taps, raw, condition) - 1.0).square().mean()


def _squared_gradient(
    discriminator: Discriminator, seen: DiscriminatorInput, condition: Tensor
) -> Tensor:
    taps = [t.detach() for t in seen.taps]
    return _gradient_norm(discriminator, taps, seen.raw.detach(), condition).square().mean()


def _gradient_norm(
    discriminator: Discriminator, taps: list[Tensor], raw: Tensor, condition: Tensor
) -> Tensor:
    """Return (B,): the norm of the scores' gradient with respect to all inputs together, each input
    in units of its root mean square.
    """
    inputs = [x.float().requires_grad_() for x in (*taps, raw)]
    scores = discriminator(inputs[:-1], inputs[-1], condition)
    total = torch.stack([s.mean(1).sum() for s in scores]).sum()
    gradients = torch.autograd.grad(total, inputs, create_graph=True)
    squares = [
        _per_image(g * x.detach().square().mean().sqrt())
        for g, x in zip(gradients[:-1], inputs[:-1], strict=True)
    ]
    squares.append(gradients[-1].square().flatten(1).sum(1))
    return torch.stack(squares).sum(0).clamp_min(1e-12).sqrt()


def _per_image(gradient: Tensor) -> Tensor:
    """Return (B,): the sum of squares of each image of a tap, over all views."""
    return torch.stack([part.square().flatten(1).sum(1) for part in gradient.chunk(VIEWS)]).sum(0)
