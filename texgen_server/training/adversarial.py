# SPDX-License-Identifier: Apache-2.0
"""The adversarial game, selectable: hinge, relativistic with R1 and R2, Wasserstein with gradient
penalty.

Scores are lists over heads of (B, n). Sources: hinge, Lim and Ye 2017; relativistic pairing with R1
and R2, Huang et al. 2024 (R3GAN), equation 2; WGAN-GP, Gulrajani et al. 2017, equation 3. Penalties
are taken at what the judged heads see (frozen taps, raw channels), not at pixels: the frozen
network between them is no part of the game.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from texgen_server.training.material.discriminator import VIEWS, Discriminator

if TYPE_CHECKING:
    from texgen_server.training.material.loop import Seen

Scores = list[Tensor]
PENALTY_EVERY = 4
"""Gradient penalties are taken at every so many steps, that much heavier (Karras et al. 2020, "lazy
regularisation").
"""


@dataclass(frozen=True)
class Game:
    """One adversarial loss: what the discriminator and the generator minimise."""

    discriminator: Callable[[Scores, Scores], Tensor]  # (real, fake)
    generator: Callable[[Scores, Scores], Tensor]
    penalty: str = ""  # "r1r2", "interpolated" or none


def _sum(terms: list[Tensor]) -> Tensor:
    return torch.stack(terms).sum()


def hinge_discriminator(real: Scores, fake: Scores) -> Tensor:
    """Sum over heads of ``E[relu(1 - D(real))] + E[relu(1 + D(fake))]``."""
    return _sum(
        [
            F.relu(1.0 - r.float()).mean() + F.relu(1.0 + f.float()).mean()
            for r, f in zip(real, fake, strict=True)
        ]
    )


def hinge_generator(_: Scores, fake: Scores) -> Tensor:
    """``-E[D(fake)]``, summed over heads; also what a Wasserstein generator minimises."""
    return -_sum([f.float().mean() for f in fake])


def relativistic_discriminator(real: Scores, fake: Scores) -> Tensor:
    """``E[softplus(D(fake) - D(real))]`` over pairs of the same material, summed over heads."""
    return _sum([F.softplus(f.float() - r.float()).mean() for r, f in zip(real, fake, strict=True)])


def relativistic_generator(real: Scores, fake: Scores) -> Tensor:
    """The same with both sides exchanged."""
    return relativistic_discriminator(fake, real)


def wasserstein_discriminator(real: Scores, fake: Scores) -> Tensor:
    """``E[D(fake)] - E[D(real)]``, summed over heads."""
    return _sum([f.float().mean() - r.float().mean() for r, f in zip(real, fake, strict=True)])


GAMES: dict[str, Game] = {
    "hinge": Game(hinge_discriminator, hinge_generator),
    "relativistic": Game(relativistic_discriminator, relativistic_generator, "r1r2"),
    "wgan-gp": Game(wasserstein_discriminator, hinge_generator, "interpolated"),
}


def gradient_penalty(
    discriminator: Discriminator, kind: str, real: Seen, fake: Seen, condition: Tensor
) -> Tensor:
    """Penalty "r1r2": squared gradient at real and at fake; "interpolated": squared distance of its
    norm from 1, at points between.
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


def _squared_gradient(discriminator: Discriminator, seen: Seen, condition: Tensor) -> Tensor:
    taps = [t.detach() for t in seen.taps]
    return _gradient_norm(discriminator, taps, seen.raw.detach(), condition).square().mean()


def _gradient_norm(
    discriminator: Discriminator, taps: list[Tensor], raw: Tensor, condition: Tensor
) -> Tensor:
    """(B,) norm of the scores' gradient with respect to all inputs together, each in units of its
    own size.
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
    """Sum of squares for each image of a tap that holds all views stacked along the batch."""
    return torch.stack([part.square().flatten(1).sum(1) for part in gradient.chunk(VIEWS)]).sum(0)
