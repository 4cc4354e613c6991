# SPDX-License-Identifier: Apache-2.0
"""Flips, transposes and synthetic metallic maps of training crops."""

from __future__ import annotations

import torch

from texgen_server.networks.params import UPSCALER_CHANNELS
from texgen_server.training.upscaler.degradations import (
    MAPS,
    flipped,
    synthetic_metallic,
    with_slopes,
)


def test_turned_crops_keep_their_normals():
    """A map whose normals were made from its height still agrees after flips and turns."""
    rows = torch.arange(32.0)
    height = torch.sin(rows / 5)[:, None] + torch.cos(rows / 7)[None]
    down, right = torch.gradient(height)
    normal = torch.stack([-right, down, torch.ones_like(right)])
    normal = normal / normal.norm(dim=0)
    maps = torch.zeros(1, 9, 32, 32)
    maps[0, 3:5], maps[0, 7] = normal[:2] * 0.5 + 0.5, height
    seen = set()
    for seed in range(24):
        turned = flipped(maps, torch.Generator().manual_seed(seed))
        slopes = with_slopes(turned)[0, 3:5] * 2.0
        want = torch.gradient(turned[0, 7])
        seen.add(round(float(turned[0, 7, 3, 11]), 4))
        assert (slopes[0] - want[1]).abs()[2:-2, 2:-2].max() < 1e-3
        assert (slopes[1] - want[0]).abs()[2:-2, 2:-2].max() < 1e-3
    assert len(seen) == 8


def test_metallic_maps_are_made_up_only_where_there_is_none():
    random = torch.Generator().manual_seed(3)
    before = torch.rand(32, UPSCALER_CHANNELS, 16, 16, generator=random)
    known = torch.ones(32, len(MAPS), dtype=torch.bool)
    place = MAPS.index("metallic")
    known[::2, place] = False
    after = before.clone()
    made = synthetic_metallic(after, known, random)
    assert made[:, place].any()
    assert not made[1::2].any()
    assert not made[:, [i for i in range(len(MAPS)) if i != place]].any()
    changed = (after != before).flatten(2).any(2)  # (B, 9)
    assert changed.sum() == made.sum()
    masks = after[made[:, place]][changed[made[:, place]]]
    assert masks.min() >= 0.0
    assert masks.max() <= 1.0
    assert (masks.flatten(1).std(1) > 0.05).all()
