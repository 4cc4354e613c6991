# SPDX-License-Identifier: Apache-2.0
"""Measures the novelty of many exemplars at the defaults: how much of each is copied in one piece,
by family, over several seeds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from texgen_server.layout import Analysis, LayoutOptions, lay_torus
from texgen_server.layout.measures import LayoutFigures, measure

SEEDS = 20
MOST_USED, USUAL_PATCH, WORST_PATCH = 0.5, 0.3, 0.45
"""Limits of the most used offset of each exemplar, of the median patch of a family, and of nine in
ten of its patches.
"""


@dataclass(frozen=True)
class ExemplarNovelty:
    """Figures of one exemplar, re-laid on a torus of its own size."""

    asset_id: str
    family: str
    figures: tuple[LayoutFigures, ...]
    """Figures of each seed."""

    def median(self, name: str) -> float:
        """Return the median of one figure over the seeds."""
        return float(np.median([getattr(f, name) for f in self.figures]))

    @property
    def shifted(self) -> bool:
        """Tell whether it comes out as a shifted scan."""
        return self.median("most_used_offset") > MOST_USED


def measure_novelty(
    analyses: Iterable[tuple[str, Analysis]], seeds: int = SEEDS
) -> Iterable[ExemplarNovelty]:
    """Re-lay each exemplar (asset id, analysis) with seeds 1 to ``seeds``; yields as they
    finish.
    """
    for asset_id, analysis in analyses:
        maps = (
            lay_torus(analysis, analysis.cells.shape, LayoutOptions(seed))
            for seed in range(1, seeds + 1)
        )
        yield ExemplarNovelty(
            asset_id, analysis.cells.rule.family.value, tuple(measure(analysis, m) for m in maps)
        )


def novelty_table(found: list[ExemplarNovelty]) -> str:
    """Return the figures by family, and the exemplars that come out as shifted scans, as a Markdown
    table.
    """
    lines = [
        "| family | exemplars | patch median | nine in ten | most used offset | join energy | "
        "duplicates | shifted |",
        "|" + "---|" * 8,
    ]
    for family in sorted({f.family for f in found}):
        own = [f for f in found if f.family == family]
        patches = np.asarray([p.largest_patch for f in own for p in f.figures])
        medians = [
            float(np.median([f.median(name) for f in own]))
            for name in ("most_used_offset", "join_energy", "duplicates")
        ]
        shifted = " ".join(f.asset_id for f in own if f.shifted)
        ends = (
            f"{np.median(patches):.2f} | {np.quantile(patches, 0.9):.2f} | {medians[0]:.2f} "
            f"| {medians[1]:.3f} | {medians[2]:.2f} | {shifted}"
        )
        lines.append(f"| {family} | {len(own)} | {ends} |")
    return "\n".join(lines)
