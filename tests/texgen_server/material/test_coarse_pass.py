# SPDX-License-Identifier: Apache-2.0
"""The coarse pass that guides a fine one."""

from __future__ import annotations

import numpy as np

from tests.texgen_server.material.plans import plan_of, tile_recipe
from texgen_server.backends.torch_backend import TorchBackend


def test_a_texture_keeps_its_forms_at_every_density(model, synthesis, card):
    """Without its fine detail the guided pass is the coarse pass, enlarged; another seed's
    is not.
    """
    from dataclasses import replace

    class NoDetail(TorchBackend):
        def run(self, part, inputs, **_):
            return super().run(
                part, [np.zeros_like(inputs[0]), inputs[1]] if part == "guided_head" else inputs
            )

    plain = replace(synthesis, backend=NoDetail(model, "cpu", "f32"))
    fine, _ = plain.raw(plan_of(tile_recipe(card, size=(512, 512), tile_px=512.0), model))
    small = fine.reshape(7, 256, 2, 256, 2).mean((2, 4))
    for seed, lowest, highest in ((3, 0.8, 1.0), (4, -1.0, 0.3)):
        coarse, _ = synthesis.raw(
            plan_of(tile_recipe(card, seed=seed, size=(256, 256), tile_px=256.0), model)
        )
        alike = np.mean(
            [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(small, coarse, strict=True)]
        )
        assert lowest < alike < highest
