# SPDX-License-Identifier: Apache-2.0
"""The critic tells grain from blur."""

from __future__ import annotations

import torch

from texgen_server.training.codec.critic import Critic, critic_loss, decoder_loss, squared_gradient


def test_the_critic_learns_to_tell_grain_from_blur():
    torch.manual_seed(0)
    critic = Critic(8, 4)
    optimizer = torch.optim.Adam(critic.parameters(), 2e-3)
    condition = torch.zeros(4, 4)
    for _ in range(60):
        real = torch.randn(4, 9, 16, 16)
        fake = torch.nn.functional.avg_pool2d(real, 3, 1, 1)
        loss = critic_loss(critic(real, condition), critic(fake, condition))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.7  # 1.39 where it cannot tell
    scores = critic(real, condition).detach(), critic(fake, condition).detach()
    assert float(decoder_loss(*scores)) > float(decoder_loss(scores[1], scores[0]))
    maps = real.requires_grad_()
    assert float(squared_gradient(critic(maps, condition), maps).detach()) > 0.0
