# SPDX-License-Identifier: Apache-2.0
"""Joins prepared exemplars with what the layout engine needs: rule, features of joints, and how
much novelty they bear. Done when the bank is built.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from texgen_server.layout import Analysis, ExemplarCells, Family, Rule, analyse
from texgen_server.layout.calibration import Calibration, calibrate
from texgen_server.layout.joints import cut_costs, find_joints, joint_features
from texgen_server.training.exemplars.families import Layout
from texgen_server.training.exemplars.prepare import AO, COLOUR, HEIGHT

OVERRIDES_FILE = Path(__file__).with_name("layout_overrides.toml")
ALIKE = 0.6
"""Correlation below which copies count as different places."""
JOINTED = frozenset({Family.IRREGULAR, Family.ROWS, Family.LATTICE})
"""Families that consist of parts; the pores of wood are no joints, however closed."""
JOINTS_WEIGHT = 1.0
"""Weight of distances to joints, over all latents together."""


@dataclass(frozen=True)
class Override:
    """A decision by eye about an exemplar, re-laid at the default novelty."""

    why: str
    draw: bool = True
    """False keeps an exemplar out of random draws; it may still be asked for by name."""
    joints: bool = True
    """False leaves out a mask of joints that is wrong."""
    rows: str = ""
    """Axis "x" or "y" along which cells keep their column, or their row; empty for none."""


def read_overrides(path: Path = OVERRIDES_FILE) -> dict[str, Override]:
    """Read ``layout_overrides.toml``: an override for each asset id that has one."""
    return {
        key: Override(**values)
        for key, values in tomllib.loads(path.read_text(encoding="utf-8")).items()
    }


def layout_rule(layout: Layout, override: Override | None = None) -> Rule:
    """Turn a row of the table of layouts into the engine's rule."""
    if override is not None and override.rows:
        return Rule(Family.ROWS, override.rows, 1)
    family, rows = layout.family, layout.rows
    if rows is not None:
        return Rule(family, rows.axis, rows.count if rows.equal else 1)
    return Rule(family, group=layout.group if family is Family.LATTICE else None)


def make_cells(
    latents: NDArray[np.int16],
    maps: NDArray[np.float32],
    layout: Layout,
    override: Override | None = None,
    *,
    wraps: bool = True,
) -> ExemplarCells:
    """Join quantised latents (h, w, 32) with the joints in the maps (8 h, 8 w, 9) of the same
    exemplar.
    """
    cells = ExemplarCells(
        latents, layout_rule(layout, override), copies=_copies(layout.copies), wraps=wraps
    )
    if cells.rule.family not in JOINTED or (override is not None and not override.joints):
        return cells
    joints = find_joints(
        {"height": maps[..., HEIGHT], "ao": maps[..., AO], "luminance": maps[..., COLOUR].mean(-1)}
    )
    if joints is None:
        return cells
    strength = float((latents.astype(np.float64) ** 2).sum(-1).mean())
    extra = (
        None
        if cells.rule.group is not None
        else joint_features(joints.mask, cells.rule, JOINTS_WEIGHT * strength)
    )
    return replace(cells, extra=extra, cut=cut_costs(joints.mask))


def calibrated(cells: ExemplarCells) -> tuple[Analysis, Calibration]:
    """Analyse an exemplar and find how much novelty it bears; the analysis returned uses it."""
    analysis = analyse(cells)
    found = calibrate(analysis)
    return replace(analysis, cells=replace(cells, novelty_scale=found.novelty_scale)), found


def _copies(text: str) -> tuple[int, int, int] | None:
    found = re.match(r"\d+ x \(rows (\d+) cols (\d+) shift (\d+); r ([0-9.]+)", text)
    if found is None or float(found[4]) < ALIKE:
        return None
    return int(found[1]), int(found[2]), int(found[3])
