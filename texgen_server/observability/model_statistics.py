# SPDX-License-Identifier: Apache-2.0
"""Statistics of each model since the server started: counts and durations."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field

RECENT = 1024
"""Number of durations that quantiles are computed from."""
STAGES = ("queue", "compute", "encode")


@dataclass
class Durations:
    """Durations of one stage, in seconds."""

    count: int = 0
    sum_s: float = 0.0
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))

    def add(self, seconds: float) -> None:
        """Add a duration."""
        self.count += 1
        self.sum_s += seconds
        self.recent.append(seconds)

    def quantile(self, share: float) -> float:
        """Return a quantile of the recent durations; 0 when there are none."""
        ordered = sorted(self.recent)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


@dataclass
class ModelFigures:
    """Counts and durations of one model."""

    results: int = 0
    cache_hits: int = 0
    failures: int = 0
    durations: dict[str, Durations] = field(
        default_factory=lambda: {stage: Durations() for stage in STAGES}
    )


class Statistics:
    """Counts results and failures of all models. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._models: dict[str, ModelFigures] = {}

    def delivered(self, model: str, queue_s: float, compute_s: float, encode_s: float) -> None:
        """Count a result that was computed and sent."""
        with self._lock:
            figures = self._of(model)
            figures.results += 1
            for stage, seconds in zip(STAGES, (queue_s, compute_s, encode_s), strict=True):
                figures.durations[stage].add(seconds)

    def hit(self, model: str) -> None:
        """Count a result that was sent from the cache."""
        with self._lock:
            figures = self._of(model)
            figures.results += 1
            figures.cache_hits += 1

    def failed(self, model: str, count: int = 1) -> None:
        """Count results that failed or were cancelled."""
        with self._lock:
            self._of(model).failures += count

    def models(self) -> list[str]:
        """Return the ids of the models that were used, sorted."""
        with self._lock:
            return sorted(self._models)

    def of(self, model: str) -> ModelFigures:
        """Return a model's figures; zeros for one that was never used."""
        with self._lock:
            return self._models.get(model) or ModelFigures()

    def _of(self, model: str) -> ModelFigures:
        return self._models.setdefault(model, ModelFigures())
