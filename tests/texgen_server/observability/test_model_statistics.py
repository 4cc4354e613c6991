# SPDX-License-Identifier: Apache-2.0
"""Statistics of models."""

from __future__ import annotations

import pytest

from texgen.errors import InvalidRequestError, NotFoundError
from texgen_server.observability.model_statistics import Durations


def test_statistics_count_what_happened(own):
    client, _ = own
    for seed in range(3):
        client.generate("bark", seed=seed, size_px=(32, 32))
    with pytest.raises(InvalidRequestError):
        client.generate(
            "bark", size_px=(33, 33)
        )  # refused before it was queued: no failure of the model
    (figures,) = client.model_statistics("material")
    assert (figures.results, figures.cache_hits, figures.failures) == (3, 0, 0)
    assert figures.compute.count == figures.queue.count == figures.encode.count == 3
    assert 0.0 < figures.compute.p50_s <= figures.compute.p99_s <= figures.compute.sum_s
    with pytest.raises(NotFoundError):
        client.model_statistics("nothing")


def test_quantiles_are_of_the_recent_ones():
    durations = Durations()
    assert durations.quantile(0.5) == 0.0
    for i in range(2000):
        durations.add(float(i))
    assert (durations.count, durations.sum_s) == (2000, sum(range(2000)))
    assert durations.quantile(0.0) == 2000 - 1024
    assert durations.quantile(0.99) > 1980
