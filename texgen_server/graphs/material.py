# SPDX-License-Identifier: Apache-2.0
"""The material generator (`networks.material`) as OpenVINO graphs."""

from __future__ import annotations

import numpy as np

from texgen_server.graphs.layers import (
    OPEN,
    Value,
    average,
    biased,
    circular_convolution,
    circular_pad,
    constant,
    convolution,
    cut,
    leaky_relu,
    linear,
    model,
    modulated,
    parameter,
    places,
    shuffle,
    upsample,
    without_grid,
)
from texgen_server.graphs.weights import NamedWeights
from texgen_server.networks.channels import GUIDE_CHANNELS, OUTPUT_CHANNELS
from texgen_server.networks.params import GRID_PX, MaterialParams, Weights
from texgen_server.networks.waves import LAYOUT_CHANNELS
from texgen_server.process.quiet_openvino import ops, ov


def material_graphs(params: MaterialParams, weights: Weights) -> dict[str, ov.Model]:
    """Build the graphs of a material model.

    Weights from before there were guides leave those at zero. Raises LoadError.
    """
    named = NamedWeights(_with_guides(params, weights))
    graphs = {
        "mapping": _mapping(params, named),
        "trunk": _trunk(params, named, painted=False),
        "painted_trunk": _trunk(params, named, painted=True),
        "head": _head(params, named),
        "guided_head": _guided_head(params, named),
    }
    named.check_all_taken()
    return graphs


def _with_guides(params: MaterialParams, weights: Weights) -> Weights:
    blank = {
        f"blocks.{i}.guide.weight": np.zeros((width, GUIDE_CHANNELS, 1, 1), np.float32)
        for i, width in enumerate(params.widths)
    }
    return blank | weights


def _mapping(params: MaterialParams, weights: NamedWeights) -> ov.Model:
    """Build the mapping: (code, log2 density) -> (style, relief in tiles)."""
    inputs = [parameter([OPEN, params.code_dim]), parameter([OPEN, 1])]
    dim, layers = params.style_dim, weights.at("mapping").at("layers")
    style = leaky_relu(linear(ops.concat(inputs, 1), layers.at(0), params.code_dim + 1, dim))
    style = linear(leaky_relu(linear(style, layers.at(2), dim, dim)), layers.at(4), dim, dim)
    relief = ops.squeeze(linear(style, weights.at("relief"), dim, 1), np.array([1], np.int64))
    relief = ops.exp(ops.subtract(ops.clamp(relief, -9.0, 1.0), constant(3.0)))
    return model(inputs, [style, relief])


def _trunk(params: MaterialParams, weights: NamedWeights, *, painted: bool) -> ov.Model:
    """Build the trunk: (style, start, guide, layouts..., noises..., shares... where painted) ->
    (finest features, coarse maps).

    The style is (B, levels, D), one for each level; painted (B, K, D), with the share (B, K, h, w)
    of each of K styles in every pixel.
    """
    widths, last = params.widths, params.levels - 1
    style = parameter([OPEN, OPEN if painted else params.levels, params.style_dim])
    start, guide = parameter(places(params.noise_channels)), parameter(places(GUIDE_CHANNELS))
    layouts = [parameter(places(LAYOUT_CHANNELS)) for _ in widths]
    noises = [parameter(places(1)) for _ in widths]
    shares = [parameter(places(OPEN)) for _ in widths] if painted else []
    x = coarse = circular_convolution(start, weights.at("stem"), params.noise_channels, widths[0])
    for i, channels in enumerate(widths):
        own = style if painted else ops.gather(style, np.array(i, np.int64), np.array(1, np.int64))
        level_guide = (
            guide
            if i == last
            else average(guide, 2 ** (last - i), 2 ** (last - i), 2 ** (last - i))
        )
        block = _Block(
            weights.at("blocks").at(i), widths[max(i - 1, 0)], channels, params.style_dim
        )
        x = block.apply(
            upsample(x) if i else x,
            own,
            (layouts[i], noises[i], level_guide),
            shares[i] if painted else None,
        )
        if i == last - 1:
            coarse = biased(x, weights.at("coarse_head"), channels, OUTPUT_CHANNELS, size=1)
    return model([style, start, guide, *layouts, *noises, *shares], [x, coarse])


class _Block:
    """Two modulated convolutions at one resolution, with layout, guide and noise added, and a
    residual skip.
    """

    def __init__(
        self, weights: NamedWeights, channels_in: int, channels: int, style_dim: int
    ) -> None:
        self._weights, self._in, self._channels, self._dim = (
            weights,
            channels_in,
            channels,
            style_dim,
        )

    def apply(
        self, x: Value, style: Value, fields: tuple[Value, Value, Value], share: Value | None
    ) -> Value:
        """Take layout, noise and guide, in this order, at the resolution of ``x``."""
        layout, noise, guide = fields
        weights, channels = self._weights, self._channels
        y = ops.add(
            circular_convolution(x, weights.at("conv1"), self._in, channels),
            self._projected("layout", layout, LAYOUT_CHANNELS),
        )
        y = self._modulated(
            "style1", ops.add(y, self._projected("guide", guide, GUIDE_CHANNELS)), style, share
        )
        y = leaky_relu(
            ops.add(
                y,
                ops.multiply(
                    noise, constant(weights.take("noise_gain", channels).reshape(1, -1, 1, 1))
                ),
            )
        )
        y = circular_convolution(y, weights.at("conv2"), channels, channels)
        y = leaky_relu(self._modulated("style2", y, style, share))
        return ops.multiply(ops.add(y, self._projected("skip", x, self._in)), constant(0.7071))

    def _projected(self, name: str, x: Value, channels_in: int) -> Value:
        return convolution(
            x, self._weights.at(name).take("weight", self._channels, channels_in, 1, 1)
        )

    def _modulated(self, name: str, x: Value, style: Value, share: Value | None) -> Value:
        return modulated(x, style, self._weights.at(name), self._channels, self._dim, share)


def _head(params: MaterialParams, weights: NamedWeights) -> ov.Model:
    """Build the head: (finest features (B, C, 2 h, 2 w), coarse maps before the sigmoid (B, 7, h,
    w)) -> maps (B, 7, 4 h, 4 w).
    """
    features, coarse = parameter(places(params.widths[-1])), parameter(places(OUTPUT_CHANNELS))
    return model([features, coarse], [_maps(features, upsample(coarse, 4), params, weights)])


def _guided_head(params: MaterialParams, weights: NamedWeights) -> ov.Model:
    """Build the guided head: (finest features, guide), of one size -> maps of twice the size."""
    features, guide = parameter(places(params.widths[-1])), parameter(places(GUIDE_CHANNELS))
    unit = ops.add(ops.multiply(cut(guide, 0, OUTPUT_CHANNELS, 1), constant(0.25)), constant(0.5))
    unit = ops.clamp(unit, 1.0 / 512.0, 511.0 / 512.0)
    coarse = ops.subtract(ops.log(unit), ops.log(ops.subtract(constant(1.0), unit)))
    return model([features, guide], [_maps(features, upsample(coarse, 2), params, weights)])


def _maps(features: Value, coarse: Value, params: MaterialParams, weights: NamedWeights) -> Value:
    fine = circular_convolution(
        features, weights.at("head"), params.widths[-1], 4 * OUTPUT_CHANNELS
    )
    fine = without_grid(fine, circular_pad(fine, GRID_PX // 2), OUTPUT_CHANNELS)
    return ops.sigmoid(ops.add(shuffle(fine, 2), coarse))
