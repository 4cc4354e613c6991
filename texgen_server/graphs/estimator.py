# SPDX-License-Identifier: Apache-2.0
"""The estimator (`networks.estimator`) as an OpenVINO graph."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from texgen_server.graphs.layers import (
    COLUMNS,
    END,
    OPEN,
    ROWS,
    Value,
    circular_convolution,
    concat,
    constant,
    cut,
    everywhere,
    leaky_relu,
    linear,
    mean,
    model,
    parameter,
    places,
    shuffle,
    size_of,
    unshuffle,
    upsample,
)
from texgen_server.graphs.weights import NamedWeights
from texgen_server.networks.channels import MAP_CHANNELS
from texgen_server.networks.params import (
    DETAIL_GAIN,
    ESTIMATOR_INPUTS,
    ESTIMATOR_OUTPUTS,
    GROUPS,
    LEVEL_GAIN,
    SLOPE_GAIN,
    EstimatorParams,
    Weights,
)
from texgen_server.process.quiet_openvino import ops, ov

SLOPES = 2
"""Number of leading channels of the result that are slopes."""


def estimator_graphs(params: EstimatorParams, weights: Weights) -> dict[str, ov.Model]:
    """Build the graph of an estimator. Raises LoadError."""
    named = NamedWeights(weights)
    seen, classes = parameter(places(ESTIMATOR_INPUTS)), parameter([OPEN, params.classes])
    x, skips = _down(seen, named, params.widths)
    whole = _whole(x, classes, named.at("whole"), params.widths[-1], params.classes)
    shift = linear(whole, named.at("shift"), params.widths[-1], params.widths[-1])
    x = _up(ops.add(x, everywhere(shift)), skips, named, params.widths)
    level = ops.multiply(
        constant(LEVEL_GAIN), linear(whole, named.at("level"), params.widths[-1], ESTIMATOR_OUTPUTS)
    )
    level = ops.add(
        level,
        linear(classes, named.at("class_level"), params.classes, ESTIMATOR_OUTPUTS, bias=False),
    )
    detail = shuffle(
        circular_convolution(x, named.at("head"), params.widths[0], ESTIMATOR_OUTPUTS * 4), 2
    )
    detail = ops.multiply(constant(DETAIL_GAIN), ops.subtract(detail, mean(detail, ROWS, COLUMNS)))
    others = ops.add(cut(detail, SLOPES, END, 1), everywhere(cut(level, SLOPES, END, 1)))
    named.check_all_taken()
    return {
        "estimate": model(
            [seen, classes],
            [concat([ops.multiply(constant(SLOPE_GAIN), cut(detail, 0, SLOPES, 1)), others])],
        )
    }


def _down(seen: Value, weights: NamedWeights, widths: tuple[int, ...]) -> tuple[Value, list[Value]]:
    """Go from the picture to the coarsest level: its features, and those of the levels above it,
    finest first.
    """
    count = len(MAP_CHANNELS)
    maps, present = cut(seen, 0, -count, 1), cut(seen, -count, END, 1)
    centred = concat([ops.subtract(maps, constant(0.25)), ops.subtract(present, constant(0.5))])
    x = _block(
        _stage(
            unshuffle(centred, ESTIMATOR_INPUTS, 2),
            weights.at("stem"),
            4 * ESTIMATOR_INPUTS,
            widths[0],
        ),
        weights.at("down_blocks").at(0),
        widths[0],
    )
    skips = []
    for i, (wide, coarse) in enumerate(pairwise(widths)):
        skips.append(x)
        x = _stage(unshuffle(x, wide, 2), weights.at("downs").at(i), 4 * wide, coarse)
        x = _block(x, weights.at("down_blocks").at(i + 1), coarse)
    return x, skips


def _up(x: Value, skips: list[Value], weights: NamedWeights, widths: tuple[int, ...]) -> Value:
    """Go back to the finest level."""
    for i, (fine, coarse) in reversed(list(enumerate(pairwise(widths)))):
        x = _stage(concat([upsample(x), skips[i]]), weights.at("ups").at(i), coarse + fine, fine)
        x = _block(x, weights.at("up_blocks").at(i), fine)
    return x


def _whole(x: Value, classes: Value, weights: NamedWeights, width: int, class_count: int) -> Value:
    """Summarise the whole picture: (B, width)."""
    pixels = ops.convert(ops.reduce_prod(size_of(x), np.array([0], np.int64)), np.float32)
    away = ops.subtract(x, mean(x, ROWS, COLUMNS))
    variance = ops.multiply(mean(ops.multiply(away, away), ROWS, COLUMNS, keep=False), pixels)
    deviation = ops.sqrt(ops.divide(variance, ops.subtract(pixels, constant(1.0))))
    summary = concat([mean(x, ROWS, COLUMNS, keep=False), deviation, classes])
    return leaky_relu(linear(summary, weights.at(0), 2 * width + class_count, width))


def _stage(x: Value, weights: NamedWeights, channels_in: int, channels_out: int) -> Value:
    """A convolution, its features brought to one size over the whole picture."""
    return _normalized(
        circular_convolution(x, weights.at(0), channels_in, channels_out),
        weights.at(1),
        channels_out,
    )


def _block(x: Value, weights: NamedWeights, width: int) -> Value:
    """Two convolutions with a skip; what comes out is brought to one size again."""
    y = leaky_relu(_stage(x, weights.at("first"), width, width))
    y = circular_convolution(y, weights.at("second"), width, width)
    return leaky_relu(_normalized(ops.add(x, y), weights.at("norm"), width))


def _normalized(x: Value, weights: NamedWeights, width: int) -> Value:
    """Group normalisation (Wu and He 2018), written out.

    The kernels of OpenVINO 2026.4 for GroupNormalization and MVN (which it would make of means)
    crash with AVX2 on pictures of a few pixels.
    """
    gain, bias = (
        constant(weights.take(name, width).reshape(1, width, 1, 1)) for name in ("weight", "bias")
    )
    groups = ops.reshape(x, np.array([0, GROUPS, -1], np.int64), special_zero=True)
    count = ops.convert(
        ops.gather(ops.shape_of(groups), np.array([2], np.int64), np.int64(0)), np.float32
    )
    away = ops.subtract(groups, _mean_of(groups, count))
    size = ops.sqrt(ops.add(_mean_of(ops.multiply(away, away), count), constant(1e-5)))
    return ops.add(
        ops.multiply(
            ops.reshape(ops.divide(away, size), ops.shape_of(x), special_zero=False), gain
        ),
        bias,
    )


def _mean_of(groups: Value, count: Value) -> Value:
    return ops.divide(ops.reduce_sum(groups, np.array([2], np.int64), keep_dims=True), count)
