# SPDX-License-Identifier: Apache-2.0
"""Shapes of the networks' inputs."""

from __future__ import annotations

from texgen_server.networks.params import (
    ESTIMATOR_INPUTS,
    PARTS,
    estimator_params,
    material_params,
)

KINDS = tuple(PARTS)


def material_shapes(network, part, batch, rows, columns):
    params = material_params(network)
    sizes = [(rows * 2**i, columns * 2**i) for i in range(params.levels)]
    fields = [(batch, n, *size) for n in (5, 1) for size in sizes]
    start, guide = (batch, params.noise_channels, rows, columns), (batch, 8, *sizes[-1])
    features = (batch, params.widths[-1], *sizes[-1])
    return {
        "mapping": [(batch, params.code_dim), (batch, 1)],
        "trunk": [(batch, params.levels, params.style_dim), start, guide, *fields],
        "painted_trunk": [
            (batch, 3, params.style_dim),
            start,
            guide,
            *fields,
            *[(batch, 3, *size) for size in sizes],
        ],
        "head": [features, (batch, 7, *sizes[-2])],
        "guided_head": [features, guide],
    }[part]


def estimator_shapes(network, part, batch, rows, columns):
    return [
        (batch, ESTIMATOR_INPUTS, 32 * rows, 32 * columns),
        (batch, estimator_params(network).classes),
    ]
