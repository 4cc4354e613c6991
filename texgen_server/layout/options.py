# SPDX-License-Identifier: Apache-2.0
"""The caller's choices about a layout."""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_NOVELTY = 0.5


@dataclass(frozen=True)
class LayoutOptions:
    """Seed and controls of a layout."""

    seed: int
    novelty: float = DEFAULT_NOVELTY
    """0 for whole tiles of the exemplar, 1 for as many places of origin as its joins bear."""
    variation: float = 0.0
    """Share of the blocks of 16 x 16 cells that are re-seeded by ``variation_seed``; 0 changes
    nothing.
    """
    variation_seed: int = 0

    @property
    def novelty_steps(self) -> int:
        """Return the novelty in 1/256."""
        return min(256, max(0, round(self.novelty * 256)))

    @property
    def variation_limit(self) -> int:
        """Return the value below which a block's word means that it is re-seeded, in [0, 2^32]."""
        return min(1 << 32, max(0, round(self.variation * (1 << 32))))
