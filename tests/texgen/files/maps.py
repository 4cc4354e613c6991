# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import numpy as np


def waves(edge=128, seed=0, *, periods=(1.0, 2.0, 3.0, 5.0)):
    """A smooth relief that tiles where all periods are whole: (H, W) in 0..1."""
    rng, at = np.random.default_rng(seed), np.arange(edge) / edge * 2 * np.pi
    relief = sum(
        np.cos(a * rng.choice(periods) + rng.random() * 6)
        * np.cos(b * rng.choice(periods) + rng.random() * 6)
        for a, b in [(at[:, None], at[None])] * 12
    )
    return (relief - relief.min()) / np.ptp(relief)


def normal_of(relief, *, green=1.0, strength=20.0):
    right = (np.roll(relief, -1, 1) - np.roll(relief, 1, 1)) * strength
    down = (np.roll(relief, -1, 0) - np.roll(relief, 1, 0)) * strength
    normal = np.dstack([-right, green * down, np.ones_like(relief)])
    return normal / np.linalg.norm(normal, axis=2, keepdims=True)


def eight(values):
    return np.round(np.clip(values, 0, 1) * 255).astype(np.uint8).reshape(*values.shape[:2], -1)
