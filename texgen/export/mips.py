# SPDX-License-Identifier: Apache-2.0
"""Mip chains of textures that repeat: the filter reaches around the edges, colour is filtered as
light, normals stay unit vectors.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from texgen.files.images import linear_to_srgb, srgb_to_linear
from texgen.maps import Pixels, to_unit

LOBES = 2.0
"""Of the Lanczos window, in pixels of the smaller level."""
Planes = NDArray[np.float32]


def mip_chain(pixels: Pixels, *, srgb: bool = False, normal: bool = False) -> list[Pixels]:
    """(H, W, C) of 8 or 16 bits -> itself and every smaller level down to 1 x 1, each half of the
    last one, rounded down.

    ``srgb``: the first three channels are sRGB, filtered in linear light. ``normal``: they are a
    tangent-space normal, made unit again.
    """
    levels, values = [pixels], _linear(pixels, srgb=srgb, normal=normal)
    while values.shape[0] > 1 or values.shape[1] > 1:
        values = _resized(
            values, max(1, values.shape[0] // 2), max(1, values.shape[1] // 2), normal=normal
        )
        levels.append(_stored(values, pixels, srgb=srgb, normal=normal))
    return levels


def shrunk(
    pixels: Pixels, height: int, width: int, *, srgb: bool = False, normal: bool = False
) -> Pixels:
    """(H, W, C) of 8 or 16 bits -> a smaller size, filtered as a mip is."""
    values = _resized(_linear(pixels, srgb=srgb, normal=normal), height, width, normal=normal)
    return _stored(values, pixels, srgb=srgb, normal=normal)


def _linear(pixels: Pixels, *, srgb: bool, normal: bool) -> Planes:
    values = to_unit(pixels)
    if srgb:
        values[..., :3] = srgb_to_linear(values[..., :3])
    elif normal:
        values[..., :3] = values[..., :3] * 2.0 - 1.0
    return values


def _resized(values: Planes, height: int, width: int, *, normal: bool) -> Planes:
    values = _shortened(_shortened(values, 0, height), 1, width)
    if normal:
        values[..., :3] /= np.maximum(np.linalg.norm(values[..., :3], axis=2, keepdims=True), 1e-6)
    return values


def _stored(values: Planes, like: Pixels, *, srgb: bool, normal: bool) -> Pixels:
    shown = values.copy()
    if srgb:
        shown[..., :3] = linear_to_srgb(shown[..., :3])
    elif normal:
        shown[..., :3] = shown[..., :3] * 0.5 + 0.5
    top = 255 if like.dtype == np.uint8 else 65535
    stored: Pixels = np.rint(np.clip(shown, 0.0, 1.0) * np.float32(top)).astype(like.dtype)
    return stored


def _shortened(values: Planes, axis: int, short: int) -> Planes:
    """Of another length along an axis, at most its own, by a Lanczos window that wraps around."""
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
    moved = np.moveaxis(values, axis, 0)
    out = np.zeros((short, *moved.shape[1:]), np.float32)
    for tap in np.flatnonzero(np.any(weights != 0.0, 0)):
        out += (
            weights[:, tap].reshape(-1, *(1,) * (moved.ndim - 1)) * moved[places[:, tap] % length]
        )
    return np.moveaxis(out, 0, axis)
