# SPDX-License-Identifier: Apache-2.0
"""A toy pack for the estimator."""

from __future__ import annotations

import json

import numpy as np

from texgen_server.training.material.data import DENSITIES, Pack


def write_waves(folder):
    """Write four materials of waves: two dark rough ones, two bright smooth ones."""
    for density in DENSITIES:
        t = np.arange(density) / density * 2 * np.pi
        stack = np.zeros((4, 7, density, density), np.uint16)
        for i in range(4 if density <= 256 else 0):
            wave = 0.5 + 0.25 * np.sin((2 + i) * t)[:, None] + 0.2 * np.cos(3 * t)[None]
            bright = i % 2
            maps = [0.3 + 0.4 * bright + 0.2 * (wave - 0.5)] * 3 + [
                wave,
                0.9 - 0.7 * bright + 0 * wave,
                0 * wave,
                wave,
            ]
            stack[i] = np.round(np.stack(maps) * 65535)
        np.save(folder / f"maps_{density}.npy", stack)
    np.savez(
        folder / "layout.npz",
        waves=np.zeros((4, 1, 2)),
        amplitudes=np.zeros((4, 1, 5), np.complex64),
    )
    meta = {
        "assets": list("abcd"),
        "classes": ["dark", "bright"] * 2,
        "relief": [0.04] * 4,
        "native_px": [512] * 4,
    }
    (folder / "pack.json").write_text(json.dumps(meta))
    return Pack(folder)
