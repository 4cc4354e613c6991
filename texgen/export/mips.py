# SPDX-License-Identifier: Apache-2.0
"""Builds mip chains of textures that repeat: the filter wraps around the edges, colour is filtered
as light, normals stay unit vectors.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from texgen.files.images import linear_to_srgb, srgb_to_linear
from texgen.maps import Pixels, to_unit

LOBES = 2.0
"""Half width of the Lanczos window, in pixels of the smaller level."""
Array = NDArray[np.float32]


def mip_chain(pixels: Pixels, *, srgb: bool = False, normal: bool = False) -> list[Pixels]:
    """Return (H, W, C) of 8 or 16 bits and every smaller level down to 1 x 1, each half of the last
    one, rounded down.

    ``srgb``: the first three channels are sRGB, filtered in linear light. ``normal``: they are a
    tangent-space normal, made unit again.
    """
    levels, values = [pixels], _to_linear(pixels, srgb=srgb, normal=normal)
    while values.shape[0] > 1 or values.shape[1] > 1:
        values = _resize(
            values, max(1, values.shape[0] // 2), max(1, values.shape[1] // 2), normal=normal
        )
        levels.append(_quantize(values, pixels, srgb=srgb, normal=normal))
    return levels


def shrink(
    pixels: Pixels, height: int, width: int, *, srgb: bool = False, normal: bool = False
) -> Pixels:
    """Shrink (H, W, C) of 8 or 16 bits to a smaller size with the filter of the mips."""
    values = _resize(_to_linear(pixels, srgb=srgb, normal=normal), height, width, normal=normal)
    return _quantize(values, pixels, srgb=srgb, normal=normal)


def _to_linear(pixels: Pixels, *, srgb: bool, normal: bool) -> Array:
    values = to_unit(pixels)
    if srgb:
        values[..., :3] = srgb_to_linear(values[..., :3])
    elif normal:
        values[..., :3] = values[..., :3] * 2.0 - 1.0
    return values


def _resize(values: Array, height: int, width: int, *, normal: bool) -> Array:
    values = _shorten(_shorten(values, 0, height), 1, width)
    if normal:
        values[..., :3] /= np.maximum(np.linalg.norm(values[..., :3], axis=2, keepdims=True), 1e-6)
    return values


def _quantize(values: Array, like: Pixels, *, srgb: bool, normal: bool) -> Pixels:
    encoded = values.copy()
    if srgb:
        encoded[..., :3] = linear_to_srgb(encoded[..., :3])
    elif normal:
        encoded[..., :3] = encoded[..., :3] * 0.5 + 0.5
    top = 255 if like.dtype == np.uint8 else 65535
    stored: Pixels = np.rint(np.clip(encoded, 0.0, 1.0) * np.float32(top)).astype(like.dtype)
    return stored


def _shorten(values: Array, axis: int, short: int) -> Array:
    """Shorten an axis with a Lanczos window that wraps around."""
    length = values.shape[axis]
    if length == short:
        return values
    scale = length / short
    centre = (np.arange(short) + 0.5) * scale
    reach = int(np.ceil(LOBES * scale)) + 1
    places = np.floor(centre)[:, None].astype(int) + np.arange(-reach, reach)
    distance = (places + 0.5 - centre[:, None]) / scale
    weights = np.where(np.abs(distance) < LOBES, np.sinc(distance) * np.sinc(distance / LOBES), 0.0)
    weights = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    lines = np.moveaxis(values, axis, 0)
    out = np.zeros((short, *lines.shape[1:]), np.float32)
    for tap in np.flatnonzero(np.any(weights != 0.0, 0)):
        out += (
            weights[:, tap].reshape(-1, *(1,) * (lines.ndim - 1)) * lines[places[:, tap] % length]
        )
    return np.moveaxis(out, 0, axis)
