# SPDX-License-Identifier: Apache-2.0
"""The layers of the networks as OpenVINO operations: the arithmetic of `networks.layers`, step by
step in the same order.

A `Value` is what an operation gives: (B, C, H, W) float32 unless said otherwise, with B, H and W
open.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from texgen_server.graphs.weights import NamedWeights
from texgen_server.networks.params import GRID_PX
from texgen_server.process.quiet_openvino import ops, ov

Value = Any
"""The output of an operation: ``openvino.Node`` or ``openvino.Output``, as OpenVINO has no types
for mypy.
"""
END = 2**31 - 1
"""Stop of a slice that runs to the end."""
OPEN = -1
"""An axis length that each call decides."""
ROWS, COLUMNS = 2, 3


def constant(values: NDArray[Any] | float) -> Value:
    """Make a float32 constant."""
    return ops.constant(np.asarray(values, np.float32))


def places(channels: int) -> list[int]:
    """Return the shape (B, channels, H, W) with batch, rows and columns open."""
    return [OPEN, channels, OPEN, OPEN]


def parameter(shape: Sequence[int]) -> Value:
    """Make a float32 input; `OPEN` lengths are open."""
    return ops.parameter(list(shape), np.float32)


def model(inputs: Sequence[Value], outputs: Sequence[Value]) -> ov.Model:
    """Make a graph of its inputs and outputs, in the order in which they are given and come."""
    return ov.Model([ops.result(value) for value in outputs], list(inputs))


def cut(x: Value, start: int, stop: int, *axes: int) -> Value:
    """Return ``x[start:stop]`` along each of the axes."""
    count = len(axes)
    starts, stops, steps, along = (
        np.array(values, np.int64)
        for values in ([start] * count, [stop] * count, [1] * count, axes)
    )
    return ops.slice(x, starts, stops, steps, along)


def inside(x: Value, pixels: int) -> Value:
    """Return the picture without so many pixels on each side."""
    return cut(x, pixels, -pixels, ROWS, COLUMNS)


def concat(values: Sequence[Value], axis: int = 1) -> Value:
    """Join along an axis; by default channels."""
    return ops.concat(list(values), axis)


def mean(x: Value, *axes: int, keep: bool = True) -> Value:
    """Return the mean over the axes."""
    return ops.reduce_mean(x, np.array(axes, np.int64), keep)


def leaky_relu(x: Value) -> Value:
    """Return x where it is positive, else a fifth of it."""
    return ops.prelu(x, constant(0.2))


def linear(
    x: Value, weights: NamedWeights, count_in: int, count_out: int, *, bias: bool = True
) -> Value:
    """Apply a matrix and, unless told otherwise, add a bias:

    (..., count_in) -> (..., count_out).
    """
    out = ops.matmul(x, constant(weights.take("weight", count_out, count_in)), False, True)  # noqa: FBT003 - positional in OpenVINO
    return ops.add(out, constant(weights.take("bias", count_out))) if bias else out


def convolution(x: Value, kernel: NDArray[np.float32], padding: int = 0) -> Value:
    """Convolve with a kernel (C out, C in, rows, columns); ``padding`` zeros on each side."""
    return ops.convolution(x, constant(kernel), [1, 1], [padding] * 2, [padding] * 2, [1, 1])


def pointwise(x: Value, weights: NamedWeights, channels_in: int, channels_out: int) -> Value:
    """Apply a 1 x 1 convolution without a bias."""
    return convolution(x, weights.take("weight", channels_out, channels_in, 1, 1))


def biased(
    x: Value, weights: NamedWeights, channels_in: int, channels_out: int, size: int = 3
) -> Value:
    """Convolve without padding, and add a bias."""
    out = convolution(x, weights.take("weight", channels_out, channels_in, size, size))
    return ops.add(out, constant(weights.take("bias", channels_out).reshape(1, -1, 1, 1)))


def average(
    x: Value, rows: int, columns: int, step: int = 1, padding: tuple[int, int] = (0, 0)
) -> Value:
    """Return the mean over a window of so many rows and columns; padding does not count."""
    pads = list(padding)
    return ops.avg_pool(x, [step] * 2, pads, pads, [rows, columns], exclude_pad=any(pads))


def circular_pad(x: Value, pad_px: int) -> Value:
    """Return the picture with the pixels of the opposite side on each side."""
    for axis in (COLUMNS, ROWS):
        x = concat([cut(x, -pad_px, END, axis), x, cut(x, 0, pad_px, axis)], axis)
    return x


def circular_convolution(
    x: Value, weights: NamedWeights, channels_in: int, channels_out: int
) -> Value:
    """Convolve 3 x 3 on the torus."""
    return biased(circular_pad(x, 1), weights.at("conv"), channels_in, channels_out)


def bilinear(padded: Value, scale: int) -> Value:
    """Enlarge a picture that has one more pixel on each side, and cut what became of those."""
    out = ops.interpolate(
        padded,
        np.array([scale, scale], np.float32),
        "linear_onnx",
        "scales",
        coordinate_transformation_mode="pytorch_half_pixel",
        nearest_mode="floor",
        axes=np.array([ROWS, COLUMNS], np.int32),
    )
    return inside(out, scale)


def upsample(x: Value, scale: int = 2) -> Value:
    """Enlarge bilinearly on the torus."""
    return bilinear(circular_pad(x, 1), scale)


def shuffle(x: Value, scale: int) -> Value:
    """Return (B, C s^2, h, w) as (B, C, s h, s w): what torch calls pixel-shuffle."""
    return ops.depth_to_space(x, "depth_first", scale)


def unshuffle(x: Value, channels: int, scale: int) -> Value:
    """Return (B, C, s h, s w) as (B, C s^2, h, w), the opposite of `shuffle`.

    OpenVINO's own space-to-depth infers lengths of open axes that no concatenation accepts.
    """
    rows, columns = ops.split(
        ops.divide(size_of(x), ops.constant(np.array(scale, np.int64))), 0, 2
    ).outputs()
    batch, step = (ops.constant(np.array(values, np.int64)) for values in ([0, channels], [scale]))
    phases = ops.reshape(x, ops.concat([batch, rows, step, columns, step], 0), special_zero=True)
    phases = ops.transpose(phases, np.array([0, 1, 3, 5, 2, 4], np.int64))
    made = ops.constant(np.array([0, channels * scale * scale], np.int64))
    return ops.reshape(phases, ops.concat([made, rows, columns], 0), special_zero=True)


def size_of(x: Value) -> Value:
    """Return rows and columns of a picture, as two int64."""
    return ops.gather(ops.shape_of(x), np.array([ROWS, COLUMNS], np.int64), np.array(0, np.int64))


def grouped(x: Value, channels: int, each: int) -> Value:
    """Return (B, channels * each, h, w) as (B, channels, each, h w)."""
    return ops.reshape(x, np.array([0, channels, each, -1], np.int64), special_zero=True)


def without_grid(fine: Value, padded: Value, channels: int) -> Value:
    """Take away what the four pixels of a pixel-shuffle have against each other all around
    (`networks.layers.without_grid`).
    """
    phases, around = (grouped(x, channels, 4) for x in (fine, average(padded, GRID_PX, GRID_PX)))
    return ops.reshape(
        ops.add(ops.subtract(phases, around), mean(around, 2)),
        ops.shape_of(fine),
        special_zero=False,
    )


def modulated(
    x: Value,
    style: Value,
    weights: NamedWeights,
    channels: int,
    style_dim: int,
    share: Value | None,
) -> Value:
    """Normalise each pixel over its channels, then apply the style's affine
    (`networks.layers.StyleModulation`).

    ``style`` is (B, D); with ``share`` (B, K, h, w), of each of K styles in every pixel, it is (B,
    K, D).
    """
    power = mean(ops.multiply(x, x), 1)
    x = ops.multiply(x, ops.divide(constant(1.0), ops.sqrt(ops.add(power, constant(1e-5)))))
    affine = linear(style, weights.at("affine"), style_dim, 2 * channels)
    affine = everywhere(affine) if share is None else _mixed(affine, share, 2 * channels)
    gamma, beta = ops.split(affine, 1, 2).outputs()
    return ops.add(beta, ops.multiply(x, ops.add(constant(1.0), gamma)))


def everywhere(x: Value) -> Value:
    """Return (B, C) as (B, C, 1, 1), to be added to or multiplied with every place of a picture."""
    return ops.unsqueeze(x, np.array([ROWS, COLUMNS], np.int64))


def _mixed(affine: Value, share: Value, count: int) -> Value:
    """Mix (B, K, count) by the share (B, K, h, w) of each in every pixel: (B, count, h, w)."""
    flat = ops.reshape(share, np.array([0, 0, -1], np.int64), special_zero=True)
    mixed = ops.transpose(ops.matmul(flat, affine, True, False), np.array([0, 2, 1], np.int64))  # noqa: FBT003 - positional in OpenVINO
    return ops.reshape(
        mixed,
        ops.concat([ops.constant(np.array([0, count], np.int64)), size_of(share)], 0),
        special_zero=True,
    )
