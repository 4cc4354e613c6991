# SPDX-License-Identifier: Apache-2.0
"""The environment generator (`networks.environment`) as OpenVINO graphs."""

from __future__ import annotations

from texgen_server.graphs.layers import (
    COLUMNS,
    END,
    OPEN,
    ROWS,
    Value,
    biased,
    bilinear,
    concat,
    constant,
    cut,
    leaky_relu,
    linear,
    model,
    modulated,
    parameter,
    pointwise,
    shuffle,
    without_grid,
)
from texgen_server.graphs.weights import NamedWeights
from texgen_server.networks.channels import SKY
from texgen_server.networks.params import (
    CONDITIONING_CHANNELS,
    STYLES,
    EnvironmentParams,
    Weights,
)
from texgen_server.process.quiet_openvino import ops, ov

COLOURS = 3


def environment_graphs(params: EnvironmentParams, weights: Weights) -> dict[str, ov.Model]:
    """Build the graphs of an environment model. Raises LoadError."""
    named = NamedWeights(weights)
    graphs = {"trunk": _trunk(params, named), "head": _head(params, named)}
    named.check_all_taken()
    return graphs


def _panorama(channels: int, rows: int) -> Value:
    return parameter([OPEN, channels, rows, 2 * rows])


def _trunk(params: EnvironmentParams, weights: NamedWeights) -> ov.Model:
    """Build the trunk: (codes, start, conditions..., noises...) -> finest features."""
    dim, widths = params.style_dim, params.widths
    codes = parameter([OPEN, STYLES, params.code_dim])
    start = _panorama(params.noise_channels, params.layout_rows)
    conditions, noises = (
        [_panorama(n, params.layout_rows * 2**i) for i in range(len(widths))]
        for n in (CONDITIONING_CHANNELS, 1)
    )
    mapping = weights.at("mapping")
    style = linear(
        leaky_relu(linear(codes, mapping.at(0), params.code_dim, dim)), mapping.at(2), dim, dim
    )
    x = _convolution(
        concat([conditions[0], start]),
        weights.at("stem"),
        CONDITIONING_CHANNELS + params.noise_channels,
        widths[0],
    )
    for i, channels in enumerate(widths):
        sizes = (widths[max(i - 1, 0)], channels, dim)
        x = _block(
            _enlarged(x) if i else x,
            style,
            (conditions[i], noises[i]),
            weights.at("blocks").at(i),
            sizes,
        )
    return model([codes, start, *conditions, *noises], [x])


def _block(
    x: Value,
    style: Value,
    fields: tuple[Value, Value],
    weights: NamedWeights,
    sizes: tuple[int, int, int],
) -> Value:
    """Two modulated convolutions, with conditioning and noise added, and a residual skip.

    ``sizes``: channels in, channels out, style.
    """
    (condition, noise), (channels_in, channels, dim) = fields, sizes
    sky = cut(condition, SKY, SKY + 1, 1)
    share = concat([sky, ops.subtract(constant(1.0), sky)])
    y = ops.add(
        _convolution(x, weights.at("conv1"), channels_in, channels),
        pointwise(condition, weights.at("plan"), CONDITIONING_CHANNELS, channels),
    )
    y = modulated(y, style, weights.at("style1"), channels, dim, share)
    y = leaky_relu(
        ops.add(
            y,
            ops.multiply(
                noise, constant(weights.take("noise_gain", channels).reshape(1, -1, 1, 1))
            ),
        )
    )
    y = modulated(
        _convolution(y, weights.at("conv2"), channels, channels),
        style,
        weights.at("style2"),
        channels,
        dim,
        share,
    )
    return ops.multiply(
        ops.add(leaky_relu(y), pointwise(x, weights.at("skip"), channels_in, channels)),
        constant(0.7071),
    )


def _head(params: EnvironmentParams, weights: NamedWeights) -> ov.Model:
    """Build the head: (finest features, finest condition) -> panorama."""
    channels = params.widths[-1]
    features, condition = (
        _panorama(n, params.rows // 2) for n in (channels, CONDITIONING_CHANNELS)
    )
    fine = _convolution(features, weights.at("head"), channels, 4 * COLOURS)
    fine = without_grid(fine, _padded(_padded(fine)), COLOURS)
    return model(
        [features, condition], [ops.add(shuffle(fine, 2), _enlarged(cut(condition, 0, COLOURS, 1)))]
    )


def _convolution(x: Value, weights: NamedWeights, channels_in: int, channels_out: int) -> Value:
    """Convolve 3 x 3 on the panorama."""
    return biased(_padded(x), weights.at("conv"), channels_in, channels_out)


def _enlarged(x: Value) -> Value:
    """Enlarge a panorama twice, bilinearly."""
    return bilinear(_padded(x), 2)


def _padded(x: Value) -> Value:
    """Return the panorama with one more pixel on each side: round the world in azimuth, over the
    poles in elevation.
    """
    x = concat([_other_side(cut(x, 0, 1, ROWS)), x, _other_side(cut(x, -1, END, ROWS))], ROWS)
    return concat([cut(x, -1, END, COLUMNS), x, cut(x, 0, 1, COLUMNS)], COLUMNS)


def _other_side(row: Value) -> Value:
    """Turn a row of pixels by half the world."""
    half = row.get_output_partial_shape(0)[COLUMNS].get_length() // 2
    return concat([cut(row, half, END, COLUMNS), cut(row, 0, half, COLUMNS)], COLUMNS)
