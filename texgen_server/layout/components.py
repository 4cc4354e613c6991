# SPDX-License-Identifier: Apache-2.0
"""Connected components, with NumPy alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64]


def components(count: int, links: Labels) -> Labels:
    """Label ``count`` things, some of them linked (k, 2), by the lowest member of their
    component.
    """
    labels = np.arange(count)
    first, second = links[:, 0], links[:, 1]
    while True:
        low = np.minimum(labels[first], labels[second])
        before = labels.copy()
        np.minimum.at(labels, labels[first], low)
        np.minimum.at(labels, labels[second], low)
        while True:
            further = labels[labels]
            if np.array_equal(further, labels):
                break
            labels = further
        if np.array_equal(labels, before):
            return labels


def label_torus(mask: NDArray[np.bool_]) -> Labels:
    """Label the pixels of a mask (H, W) by component, four neighbours each, on the torus: numbers
    from 0 within the mask, -1 outside.
    """
    index = np.arange(mask.size).reshape(mask.shape)
    links = []
    for axis in (0, 1):
        both = mask & np.roll(mask, -1, axis)
        links.append(np.stack([index[both], np.roll(index, -1, axis)[both]], 1))
    labels = components(mask.size, np.concatenate(links)).reshape(mask.shape)
    found, numbers = np.unique(labels[mask], return_inverse=True)
    out = np.full(mask.shape, -1, np.int64)
    out[mask] = numbers.reshape(-1) if len(found) else 0
    return out
