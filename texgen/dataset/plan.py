# SPDX-License-Identifier: Apache-2.0
"""Which samples a data set holds.

Sample n depends on the plan and n alone, so any part can be made again, or elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from texgen.dataset.view import View, draw_view
from texgen.errors import InvalidRequestError

FORMS = ("webdataset", "folder")
MOST_SAMPLES = 10_000_000
MOST_VIEWS = 16
_PLAIN = re.compile(r"^[A-Za-z0-9][\w-]*$")
KEPT = ("tile_px", "tile_size_m")
"""Controls that say how large things are: left at their defaults."""


@dataclass(frozen=True)
class ClassShare:
    """A class and how often it is drawn."""

    name: str
    share: float


@dataclass(frozen=True)
class ControlRange:
    """A control to vary."""

    name: str
    minimum: float
    maximum: float
    default: float


@dataclass(frozen=True)
class Plan:
    """Everything that shapes a data set."""

    count: int
    size_px: int
    seed: int
    form: str
    views: int
    shard: int
    """Samples in a tar file."""
    model: str
    model_digest: str
    classes: tuple[ClassShare, ...]
    controls: tuple[ControlRange, ...]
    spread: float
    """How far controls go from their defaults: 0 not at all, 1 to their limits."""

    def digest(self) -> str:
        """Names the data set."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Sample:
    """One material and how it is seen."""

    number: int
    class_name: str
    class_index: int
    seed: int
    controls: dict[str, float] = field(default_factory=dict)
    views: tuple[View, ...] = ()

    @property
    def key(self) -> str:
        """Its name in the data set."""
        return f"{self.number:08d}"


def make_plan(model: Any, chosen: Sequence[str], *, balance: bool, **rest: Any) -> Plan:
    """``model`` is the server's (`Client.get_model`); ``chosen`` its classes by name, none for all.
    With ``balance`` each class comes equally often, else in proportion to its training
    materials. ``rest`` are the fields of `Plan`. Raises InvalidRequestError.
    """
    known = {c.name: c.materials for c in model.classes}
    if strange := [
        name for name in known if not _PLAIN.match(name)
    ]:  # it becomes a folder, and comes from a server
        raise InvalidRequestError(
            f"the model's class {strange[0]!r} is no plain name: this server is not to be trusted",
            "classes",
        )
    if unknown := [name for name in chosen if name not in known]:
        raise InvalidRequestError(
            f"unknown class {unknown[0]!r}: there are {', '.join(known)}", "classes"
        )
    if not 1 <= rest["count"] <= MOST_SAMPLES:
        raise InvalidRequestError(f"--count {rest['count']}: give 1 to {MOST_SAMPLES:,}", "count")
    if not 0 <= rest["views"] <= MOST_VIEWS:
        raise InvalidRequestError(f"--views {rest['views']}: give 0 to {MOST_VIEWS}", "views")
    if not 0.0 <= rest["spread"] <= 1.0:
        raise InvalidRequestError(f"--spread {rest['spread']}: give 0 to 1", "spread")
    if rest["shard"] < 1:
        raise InvalidRequestError(f"--shard {rest['shard']}: give 1 or more", "shard")
    names = list(chosen) or list(known)
    weights = np.array([1.0 if balance else known[name] for name in names])
    shares = tuple(
        ClassShare(n, round(float(w), 9))
        for n, w in zip(names, weights / weights.sum(), strict=True)
    )
    controls = tuple(
        ControlRange(c.name, c.minimum, c.maximum, c.default_value)
        for c in model.controls
        if c.name not in KEPT
    )
    return Plan(
        model=model.id, model_digest=model.digest, classes=shares, controls=controls, **rest
    )


def draw_sample(plan: Plan, number: int) -> Sample:
    """Sample ``number`` of a plan.

    Classes come by a low-discrepancy sequence, so any stretch of the data set has them in their
    shares. Controls lie near their defaults more often than far from them.
    """
    rng = np.random.default_rng([plan.seed, number])
    edges = np.cumsum([c.share for c in plan.classes])
    place = ((number + 0.5) * 0.6180339887498949 + plan.seed * 0.7548776662466927) % 1.0
    index = min(int(np.searchsorted(edges, place * edges[-1], side="right")), len(edges) - 1)
    controls = {
        c.name: _drawn(c, float(rng.uniform(-1.0, 1.0)), plan.spread) for c in plan.controls
    }
    seed = int(rng.integers(0, 2**48))
    views = tuple(draw_view(rng) for _ in range(plan.views))
    return Sample(number, plan.classes[index].name, index, seed, controls, views)


def _drawn(control: ControlRange, at: float, spread: float) -> float:
    limit = control.maximum if at > 0.0 else control.minimum
    return round(control.default + (limit - control.default) * abs(at) ** 3 * spread, 4)
