# SPDX-License-Identifier: Apache-2.0
"""The upscaler (`networks.upscaler`) as OpenVINO graphs."""

from __future__ import annotations

import numpy as np

from texgen_server.graphs.layers import (
    Value,
    average,
    concat,
    constant,
    convolution,
    cut,
    grouped,
    inside,
    mean,
    model,
    parameter,
    places,
    shuffle,
)
from texgen_server.graphs.weights import NamedWeights
from texgen_server.networks.channels import CLEAN_SCALE, MAP_CHANNELS, SCALES, channel_slices
from texgen_server.networks.params import (
    CLEAN_MEAN_PX,
    COMPOSE_REACH_PX,
    CONTRAST_PX,
    DETAIL_REACH_PX,
    LEAST_CONTRAST,
    MEAN_PX,
    UPSCALER_CHANNELS,
    USUAL_CONTRAST,
    UpscalerParams,
    Weights,
    bicubic_kernel,
)
from texgen_server.process.quiet_openvino import ops, ov


def upscaler_graphs(params: UpscalerParams, weights: Weights) -> dict[str, ov.Model]:
    """Build the graphs of an upscaler. Raises LoadError."""
    named = NamedWeights(weights)
    graphs = {"detail": _detail(params)}
    for scale in (CLEAN_SCALE, *SCALES):
        graphs[f"residual_x{scale}"] = _residual(params, named, scale)
        graphs[f"compose_x{scale}"] = _compose(params, scale)
    named.check_all_taken()
    return graphs


def _detail(params: UpscalerParams) -> ov.Model:
    """Build the first step: (maps with a border of ``halo_px``) -> their detail in units of their
    contrast, less the border that it depends on; the contrast, inside.
    """
    maps = parameter(places(UPSCALER_CHANNELS))
    detail = ops.subtract(maps, _local_mean(maps, MEAN_PX))
    own = [cut(detail, part.start, part.stop, 1) for part in channel_slices().values()]
    contrasts = ops.sqrt(
        _local_mean(concat([mean(ops.multiply(x, x), 1) for x in own]), CONTRAST_PX)
    )
    of_channel = [i for i, count in enumerate(MAP_CHANNELS.values()) for _ in range(count)]
    contrast = ops.gather(contrasts, np.array(of_channel, np.int64), np.array(1, np.int64))
    detail = ops.multiply(
        detail, ops.divide(constant(USUAL_CONTRAST), ops.add(contrast, constant(LEAST_CONTRAST)))
    )
    contrast = ops.multiply(contrast, constant(1.0 / USUAL_CONTRAST))
    return model(
        [maps],
        [inside(detail, DETAIL_REACH_PX), inside(contrast, params.halo_px - COMPOSE_REACH_PX)],
    )


def _residual(params: UpscalerParams, weights: NamedWeights, scale: int) -> ov.Model:
    """Build the body and a head: (detail) -> the difference from a bicubic enlargement, before
    pixel-shuffle; its mean over the pixels that one becomes: both less the border.
    """
    width, count = params.width, scale * scale
    detail = parameter(places(UPSCALER_CHANNELS))
    x = first = convolution(
        detail, weights.at("stem").take("weight", width, UPSCALER_CHANNELS, 3, 3), 1
    )
    for i in range(0, params.depth, 2):
        x = ops.add(x, _body(_body(x, weights, i, width), weights, i + 1, width))
    features = inside(ops.add(x, first), params.body_reach_px)
    head = (
        weights.at("heads").at(f"x{scale}").take("weight", UPSCALER_CHANNELS * count, width, 3, 3)
    )
    return model(
        [detail],
        [
            convolution(features, head),
            convolution(features, head.reshape(UPSCALER_CHANNELS, count, width, 3, 3).mean(1)),
        ],
    )


def _body(x: Value, weights: NamedWeights, number: int, width: int) -> Value:
    """Apply one convolution of the body, with its activation before it."""
    seen = ops.prelu(x, constant(weights.at("slopes").at(number).take("weight", width)))
    return convolution(seen, weights.at("body").at(number).take("weight", width, width, 3, 3), 1)


def _compose(params: UpscalerParams, scale: int) -> ov.Model:
    """Build the last step: (maps with a border of ``halo_px``, contrast, residual, its mean) ->
    enlarged maps with a border of `COMPOSE_REACH_PX` times the scale.
    """
    count = scale * scale
    maps, contrast, residual, means = (
        parameter(places(n))
        for n in (
            UPSCALER_CHANNELS,
            UPSCALER_CHANNELS,
            UPSCALER_CHANNELS * count,
            UPSCALER_CHANNELS,
        )
    )
    around = _local_mean(
        ops.multiply(means, contrast), CLEAN_MEAN_PX if scale == CLEAN_SCALE else MEAN_PX
    )
    blocks = ops.multiply(
        grouped(residual, UPSCALER_CHANNELS, count), grouped(contrast, UPSCALER_CHANNELS, 1)
    )
    blocks = ops.reshape(
        ops.subtract(blocks, grouped(around, UPSCALER_CHANNELS, 1)),
        ops.shape_of(residual),
        special_zero=False,
    )
    kernel = np.tile(bicubic_kernel(scale), (UPSCALER_CHANNELS, 1, 1, 1, 1)).reshape(
        UPSCALER_CHANNELS, count, 1, 5, 5
    )
    smooth = ops.group_convolution(
        inside(maps, params.halo_px - COMPOSE_REACH_PX),
        constant(kernel),
        [1, 1],
        [2, 2],
        [2, 2],
        [1, 1],
    )
    return model([maps, contrast, residual, means], [shuffle(ops.add(smooth, blocks), scale)])


def _local_mean(maps: Value, window_px: int) -> Value:
    """Return the mean over a window; at the border over what is there."""
    half = window_px // 2
    return average(average(maps, window_px, 1, padding=(half, 0)), 1, window_px, padding=(0, half))
