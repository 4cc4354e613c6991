# SPDX-License-Identifier: Apache-2.0
"""Plans the samples of a data set.

Sample n depends on the plan and n alone, so any part can be generated again, or elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TypedDict, Unpack

import numpy as np

from texgen.dataset.view import View, random_view
from texgen.errors import InvalidRequestError
from texgen.pb import texgen_pb2 as pb

FORMS = ("webdataset", "folder")
MAX_SAMPLES = 10_000_000
MAX_VIEWS = 16
_PLAIN = re.compile(r"^[A-Za-z0-9][\w-]*$")
FIXED_CONTROLS = ("tile_px", "tile_size_m")
"""Controls of scale, which stay at their defaults."""


@dataclass(frozen=True)
class ClassShare:
    """A class and its share of the samples."""

    name: str
    share: float


@dataclass(frozen=True)
class ControlRange:
    """The range of a control that varies."""

    name: str
    minimum: float
    maximum: float
    default: float


@dataclass(frozen=True)
class DatasetPlan:
    """Everything that determines a data set."""

    count: int
    size_px: int
    seed: int
    form: str
    views: int
    shard: int
    """Number of samples in a tar file."""
    model: str
    model_digest: str
    classes: tuple[ClassShare, ...]
    controls: tuple[ControlRange, ...]
    spread: float
    """Distance of controls from their defaults: 0 none, 1 up to their limits."""

    def digest(self) -> str:
        """Return the SHA-256 of the plan, lower-case hex."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


class PlanChoices(TypedDict):
    """The fields of a plan that the user chooses."""

    count: int
    size_px: int
    seed: int
    form: str
    views: int
    shard: int
    spread: float


@dataclass(frozen=True)
class Sample:
    """A material and the views of it."""

    number: int
    class_name: str
    class_index: int
    seed: int
    controls: dict[str, float] = field(default_factory=dict)
    views: tuple[View, ...] = ()

    @property
    def key(self) -> str:
        """Name of the sample in the data set."""
        return f"{self.number:08d}"


def make_plan(
    model: pb.Model, chosen: Sequence[str], *, balance: bool, **choices: Unpack[PlanChoices]
) -> DatasetPlan:
    """Make a plan of a server's model (`Client.get_model`).

    ``chosen`` are names of its classes; none for all. With ``balance`` each class comes equally
    often, else in proportion to its training materials. Raises InvalidRequestError.
    """
    known = {c.name: c.materials for c in model.classes}
    # a name becomes a folder, and it comes from a server
    if unsafe := [name for name in known if not _PLAIN.match(name)]:
        raise InvalidRequestError(
            f"the model's class {unsafe[0]!r} is no plain name: this server is not to be trusted",
            "classes",
        )
    if unknown := [name for name in chosen if name not in known]:
        raise InvalidRequestError(
            f"unknown class {unknown[0]!r}: there are {', '.join(known)}", "classes"
        )
    if not 1 <= choices["count"] <= MAX_SAMPLES:
        raise InvalidRequestError(f"--count {choices['count']}: give 1 to {MAX_SAMPLES:,}", "count")
    if not 0 <= choices["views"] <= MAX_VIEWS:
        raise InvalidRequestError(f"--views {choices['views']}: give 0 to {MAX_VIEWS}", "views")
    if not 0.0 <= choices["spread"] <= 1.0:
        raise InvalidRequestError(f"--spread {choices['spread']}: give 0 to 1", "spread")
    if choices["shard"] < 1:
        raise InvalidRequestError(f"--shard {choices['shard']}: give 1 or more", "shard")
    names = list(chosen) or list(known)
    weights = np.array([1.0 if balance else known[name] for name in names])
    shares = tuple(
        ClassShare(n, round(float(w), 9))
        for n, w in zip(names, weights / weights.sum(), strict=True)
    )
    controls = tuple(
        ControlRange(c.name, c.minimum, c.maximum, c.default_value)
        for c in model.controls
        if c.name not in FIXED_CONTROLS
    )
    return DatasetPlan(
        model=model.id, model_digest=model.digest, classes=shares, controls=controls, **choices
    )


def choose_sample(plan: DatasetPlan, number: int) -> Sample:
    """Choose class, seed, controls and views of sample ``number``.

    Classes come by a low-discrepancy sequence, so any stretch of the data set has them in their
    shares. Controls lie near their defaults more often than far from them.
    """
    rng = np.random.default_rng([plan.seed, number])
    edges = np.cumsum([c.share for c in plan.classes])
    place = ((number + 0.5) * 0.6180339887498949 + plan.seed * 0.7548776662466927) % 1.0
    index = min(int(np.searchsorted(edges, place * edges[-1], side="right")), len(edges) - 1)
    controls = {
        c.name: _choose_control(c, float(rng.uniform(-1.0, 1.0)), plan.spread)
        for c in plan.controls
    }
    seed = int(rng.integers(0, 2**48))
    views = tuple(random_view(rng) for _ in range(plan.views))
    return Sample(number, plan.classes[index].name, index, seed, controls, views)


def _choose_control(control: ControlRange, position: float, spread: float) -> float:
    limit = control.maximum if position > 0.0 else control.minimum
    return round(control.default + (limit - control.default) * abs(position) ** 3 * spread, 4)
