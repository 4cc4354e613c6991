# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from texgen_server.training import metrics


def test_kid_excess_is_0_for_real_and_1_for_flat(rng):
    real_a, real_b = rng.normal(size=(60, 16)), rng.normal(size=(60, 16))
    flat, near = rng.normal(3, 0.1, size=(60, 16)), rng.normal(0.3, 1, size=(60, 16))
    assert metrics.kid_excess(flat, real_a, real_b, flat) == pytest.approx(1.0)
    assert abs(metrics.kid_excess(rng.normal(size=(60, 16)), real_a, real_b, flat)) < 0.05
    low, high = metrics.bootstrap_interval(near, real_a, real_b, flat, rounds=50)
    assert low <= metrics.kid_excess(near, real_a, real_b, flat) <= high


def test_manifold_metrics_know_collapse(rng):
    real = rng.normal(size=(80, 8))
    same = metrics.precision_recall_coverage(rng.normal(size=(80, 8)), real)
    collapsed = metrics.precision_recall_coverage(
        np.repeat(real[:1], 80, 0) + rng.normal(0, 1e-3, (80, 8)), real
    )
    assert same["recall"] > 0.7
    assert collapsed["recall"] < 0.1
    assert collapsed["coverage"] < 0.2


def test_retrieval_and_classes(rng):
    real = rng.normal(size=(40, 12))
    assert metrics.retrieval(real + rng.normal(0, 0.1, real.shape), real)["top1"] == 1.0
    assert metrics.retrieval(rng.normal(size=real.shape), real)["top1"] < 0.3
    labels = np.repeat(np.arange(4), 10)
    centres = rng.normal(0, 4, (4, 12))[labels]
    assert (
        metrics.class_agreement(
            centres + rng.normal(size=real.shape),
            labels,
            centres + rng.normal(size=real.shape),
            labels,
        )
        > 0.9
    )


def test_spectrum_distance_tells_blur(rng):
    sharp = rng.random((4, 64, 64)).astype(np.float32)
    blurred = (sharp + np.roll(sharp, 1, 1) + np.roll(sharp, 1, 2)) / 3
    assert metrics.spectrum_distance(sharp, sharp) == 0
    assert metrics.spectrum_distance(sharp, blurred) > 0.2
