# SPDX-License-Identifier: Apache-2.0
"""Mip chains of textures that repeat: the filter reaches around the edges, colour is filtered as light, normals stay unit vectors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from texgen.images import linear_to_srgb, srgb_to_linear
from texgen.maps import Pixels

LOBES = 2.0
"""Of the Lanczos window, in pixels of the smaller level."""
Planes = NDArray[np.float32]


def mip_chain(pixels: Pixels, *, srgb: bool = False, normal: bool = False) -> list[Pixels]:
    """(H, W, C) uint8 -> itself and every smaller level down to 1 x 1, each half of the last one, rounded down.

    ``srgb``: the first three channels are sRGB, filtered in linear light. ``normal``: they are a tangent-space normal, made unit again.
    """
    values = pixels.astype(np.float32) / np.float32(255.0)
    if srgb:
        values[..., :3] = srgb_to_linear(values[..., :3])
    elif normal:
        values[..., :3] = values[..., :3] * 2.0 - 1.0
    levels = [pixels]
    while values.shape[0] > 1 or values.shape[1] > 1:
        values = _halved(_halved(values, 0), 1)
        if normal:
            values[..., :3] /= np.maximum(np.linalg.norm(values[..., :3], axis=2, keepdims=True), 1e-6)
        levels.append(_stored(values, srgb=srgb, normal=normal))
    return levels


def _stored(values: Planes, *, srgb: bool, normal: bool) -> Pixels:
    shown = values.copy()
    if srgb:
        shown[..., :3] = linear_to_srgb(shown[..., :3])
    elif normal:
        shown[..., :3] = shown[..., :3] * 0.5 + 0.5
    stored: Pixels = np.rint(np.clip(shown, 0.0, 1.0) * 255.0).astype(np.uint8)
    return stored


def _halved(values: Planes, axis: int) -> Planes:
    """Half as long along an axis, by a Lanczos window that wraps around."""
    length = values.shape[axis]
    if length == 1:
        return values
    short = length // 2
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
        out += weights[:, tap].reshape(-1, *(1,) * (moved.ndim - 1)) * moved[places[:, tap] % length]
    return np.moveaxis(out, 0, axis)
