# SPDX-License-Identifier: Apache-2.0
"""Metrics on feature vectors (numpy).

Sources: KID, Binkowski 2018; precision and recall, Kynkaanniemi 2019; coverage, Naeem 2020.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float64]


def kid(a: Vectors, b: Vectors) -> float:
    """Return the unbiased squared MMD between (N, D) and (M, D) with the kernel ``(x.y / D +
    1)^3``.
    """
    k_aa, k_bb, k_ab = _kernel(a, a), _kernel(b, b), _kernel(a, b)
    n, m = len(a), len(b)
    same = (k_aa.sum() - np.trace(k_aa)) / (n * (n - 1)) + (k_bb.sum() - np.trace(k_bb)) / (
        m * (m - 1)
    )
    return float(same - 2.0 * k_ab.mean())


def _kernel(a: Vectors, b: Vectors) -> Vectors:
    result: Vectors = (a @ b.T / a.shape[1] + 1.0) ** 3
    return result


def kid_excess(generated: Vectors, real_a: Vectors, real_b: Vectors, flat: Vectors) -> float:
    """Return ``(KID(gen, real_a) - KID(real_b, real_a)) / (KID(flat, real_a) - KID(real_b,
    real_a))``: 0 as real, 1 as flat colour.
    """
    base = kid(real_b, real_a)
    return (kid(generated, real_a) - base) / (kid(flat, real_a) - base)


def bootstrap_interval(
    generated: Vectors,
    real_a: Vectors,
    real_b: Vectors,
    flat: Vectors,
    *,
    rounds: int = 200,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the 90 % interval of `kid_excess` over resampled assets (rows).

    Duplicate rows would bias the unbiased sum: halves without replacement.
    """
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(rounds):
        part = [
            v[rng.choice(len(v), max(4, (3 * len(v)) // 4), replace=False)]
            for v in (generated, real_a, real_b, flat)
        ]
        values.append(kid_excess(part[0], part[1], part[2], part[3]))
    low, high = np.quantile(values, [0.05, 0.95])
    return float(low), float(high)


def precision_recall_coverage(generated: Vectors, real: Vectors, k: int = 5) -> dict[str, float]:
    """Return shares within k-nearest-neighbour balls: generated in real (precision), real in
    generated (recall), real balls hit (coverage).
    """
    rr, gg, rg = (
        _distances(real, real),
        _distances(generated, generated),
        _distances(real, generated),
    )
    radius_r, radius_g = np.sort(rr, 1)[:, k], np.sort(gg, 1)[:, k]
    return {
        "precision": float((rg <= radius_r[:, None]).any(0).mean()),
        "recall": float((rg <= radius_g[None]).any(1).mean()),
        "coverage": float((rg.min(1) <= radius_r).mean()),
    }


def _distances(a: Vectors, b: Vectors) -> Vectors:
    squared = (a * a).sum(1)[:, None] + (b * b).sum(1)[None] - 2.0 * (a @ b.T)
    distance: Vectors = np.sqrt(np.maximum(squared, 0.0))
    return distance


def retrieval(generated: Vectors, real: Vectors) -> dict[str, float]:
    """Return how often the nearest real row is the right one (top 1, top 5), by cosine distance;
    row i of both is the same material.
    """
    unit_g, unit_r = (
        v / np.linalg.norm(v, axis=1, keepdims=True)
        for v in (generated - real.mean(0), real - real.mean(0))
    )
    order = np.argsort(-(unit_g @ unit_r.T), 1)
    hits = order == np.arange(len(real))[:, None]
    return {"top1": float(hits[:, 0].mean()), "top5": float(hits[:, :5].any(1).mean())}


PROBE_RIDGE = 100.0


def class_agreement(
    features: Vectors, labels: NDArray[np.int64], train: Vectors, train_labels: NDArray[np.int64]
) -> float:
    """Return the accuracy of a linear probe: ridge regression on one-hot classes, fitted on
    ``train`` in units of each feature's deviation.

    Classes count alike in the fit, whatever their size.
    """
    mean, scale = train.mean(0), train.std(0) + 1e-6
    names, place = np.unique(train_labels, return_inverse=True)
    weight = np.sqrt(1.0 / np.bincount(place)[place])[:, None]
    x = (train - mean) / scale * weight
    y = (np.eye(len(names))[place] - 1.0 / len(names)) * weight
    dual = np.linalg.solve(x @ x.T + PROBE_RIDGE * np.eye(len(x)), y)
    scores = (features - mean) / scale @ (x.T @ dual)
    return float((names[scores.argmax(1)] == labels).mean())


def novelty(mixed: Vectors, real: Vectors) -> dict[str, float]:
    """Compare the distance of mixed samples from the nearest real material with the distance of
    real materials from each other.

    Vectors hold statistics without position, so rolls do not change them. Distances are medians, in
    units of each feature's deviation. With a ratio of 1 and more, samples between materials are new
    members; near 0 they are copies.
    """
    scale = real.std(0) + 1e-6
    among = _distances(real / scale, real / scale)
    np.fill_diagonal(among, np.inf)
    to_real = _distances(mixed / scale, real / scale).min(1)
    return {
        "to_nearest_training_material": float(np.median(to_real)),
        "between_real_neighbours": float(np.median(among.min(1))),
        "ratio": float(np.median(to_real) / np.median(among.min(1))),
        "nearer_than_the_nearest_real_pair": float((to_real < among.min()).mean()),
    }


def spectrum_distance(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Return the mean absolute difference of log radial power of luminance, (N, H, W) each,
    averaged over rings, row by row.
    """
    return float(np.abs(_log_spectrum(a) - _log_spectrum(b)).mean())


def _log_spectrum(images: NDArray[np.float32]) -> Vectors:
    size = images.shape[-1]
    power = np.abs(np.fft.fft2(images - images.mean((1, 2), keepdims=True))) ** 2 / size**2
    cycles = np.fft.fftfreq(size) * size
    ring = (
        np.round(2.0 * np.log2(np.maximum(np.hypot(cycles[:, None], cycles[None]), 1.0)))
        .astype(int)
        .ravel()
    )
    flat = power.reshape(len(images), -1)
    rings = [flat[:, ring == r].mean(1) for r in range(ring.max() + 1) if (ring == r).any()]
    result: Vectors = np.log(np.stack(rings, 1) + 1e-7)
    return result
