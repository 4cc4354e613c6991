# SPDX-License-Identifier: Apache-2.0
"""Computes with equirectangular panoramas: directions of pixels, light, cube maps, previews.

A panorama is (H, 2 H, C) linear radiance. Azimuth is 0 at its centre and increases to the right,
elevation is 90 degrees at the top. Directions are unit vectors (right, up, forward): (1, 0, 0) is
azimuth 90, (0, 1, 0) the zenith, (0, 0, 1) azimuth 0. Numpy only.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from texgen.files.images import linear_to_srgb

Array = NDArray[np.float32]

FACES: dict[str, tuple[tuple[int, int, int], tuple[int, int, int], tuple[int, int, int]]] = {
    "right": ((1, 0, 0), (0, 0, -1), (0, 1, 0)),
    "left": ((-1, 0, 0), (0, 0, 1), (0, 1, 0)),
    "up": ((0, 1, 0), (1, 0, 0), (0, 0, -1)),
    "down": ((0, -1, 0), (1, 0, 0), (0, 0, 1)),
    "front": ((0, 0, 1), (1, 0, 0), (0, 1, 0)),
    "back": ((0, 0, -1), (-1, 0, 0), (0, 1, 0)),
}
"""Directions of the centre, the right edge and the upper edge of each face of a cube. Seen from
inside; the upper edge of "down" and the lower edge of "up" touch "front".
"""
COSINE_LOBE = (np.pi, 2.0 * np.pi / 3.0, np.pi / 4.0)
"""Factors of a cosine lobe on each band of spherical harmonics (Ramamoorthi & Hanrahan 2001)."""
MIDDLE_GREY = 0.18
WHITE = 6.0
"""Exposed radiance that becomes white in a preview."""


def direction(azimuth_deg: float | Array, elevation_deg: float | Array) -> Array:
    """Convert angles in degrees, of any shape, to unit vectors (..., 3)."""
    azimuth, elevation = np.radians(azimuth_deg), np.radians(elevation_deg)
    flat = np.cos(elevation)
    return np.stack(
        np.broadcast_arrays(flat * np.sin(azimuth), np.sin(elevation), flat * np.cos(azimuth)), -1
    ).astype(np.float32)


def blender_direction(azimuth_deg: float, elevation_deg: float) -> tuple[float, float, float]:
    """Return the direction in Blender's world (x, y, z up) of a place of an unrotated Environment
    Texture.
    """
    right, up, forward = map(float, direction(azimuth_deg, elevation_deg))
    return forward, -right, up


def angles(directions: Array) -> tuple[Array, Array]:
    """Convert unit vectors (..., 3) to azimuth in [-180, 180] and elevation, in degrees."""
    azimuth = np.degrees(np.arctan2(directions[..., 0], directions[..., 2]))
    return azimuth, np.degrees(np.arcsin(np.clip(directions[..., 1], -1.0, 1.0)))


def pixel_angles(height: int) -> tuple[Array, Array]:
    """Return the azimuth of the columns (2 H,) and the elevation of the rows (H,) of a panorama, in
    degrees, at the centres of pixels.
    """
    columns, rows = np.arange(2 * height, dtype=np.float32), np.arange(height, dtype=np.float32)
    step = np.float32(180.0 / height)
    return (columns + np.float32(0.5)) * step - np.float32(180.0), np.float32(90.0) - (
        rows + np.float32(0.5)
    ) * step


def pixel_directions(height: int) -> Array:
    """Return the unit vectors of a panorama's pixels, (H, 2 H, 3)."""
    azimuth, elevation = pixel_angles(height)
    return direction(azimuth[None], elevation[:, None])


def solid_angles(height: int) -> Array:
    """Return the exact solid angle of a pixel of each row, (H, 1) in steradians; the
    sum is 4 pi.
    """
    edges = np.sin(np.radians(np.linspace(90.0, -90.0, height + 1)))
    return ((edges[:-1] - edges[1:]) * (np.pi / height)).astype(np.float32)[:, None]


def harmonics(directions: Array) -> Array:
    """Evaluate the real spherical harmonics of bands 0 to 2, (..., 3) -> (..., 9), with x right, y
    up, z forward; orthonormal.

    Order: 1; y, z, x; xy, yz, 3 z^2 - 1, xz, x^2 - y^2.
    """
    x, y, z = np.moveaxis(directions, -1, 0)
    band1, band2 = 0.4886025119, 1.0925484306
    return np.stack(
        [
            np.full_like(x, 0.2820947918),
            band1 * y,
            band1 * z,
            band1 * x,
            band2 * x * y,
            band2 * y * z,
            0.3153915653 * (3.0 * z * z - 1.0),
            band2 * x * z,
            0.5462742153 * (x * x - y * y),
        ],
        -1,
    )


def radiance_harmonics(panorama: Array) -> Array:
    """Project radiance (H, 2 H, C) to spherical harmonics, (9, C)."""
    height = panorama.shape[0]
    weights = solid_angles(height)
    total = np.zeros((9, panorama.shape[2]))
    azimuth, elevation = pixel_angles(height)
    for row in range(height):  # row by row: 8192 px wide, all at once would take gigabytes
        basis = harmonics(direction(azimuth, np.full_like(azimuth, elevation[row])))
        total += float(weights[row, 0]) * (
            basis.T.astype(np.float64) @ panorama[row].astype(np.float64)
        )
    return total.astype(np.float32)


def irradiance_harmonics(radiance: Array) -> Array:
    """Convert harmonics of radiance to those of the irradiance of a surface by its
    normal, (9, C).
    """
    lobe = np.repeat(np.array(COSINE_LOBE, np.float32), (1, 3, 5))
    return radiance * lobe[:, None]


def irradiance_map(radiance: Array, height: int) -> Array:
    """Evaluate harmonics of radiance (9, C) as the irradiance of a surface that faces each
    direction, (H, 2 H, C), at least 0.
    """
    light: Array = np.maximum(
        harmonics(pixel_directions(height)) @ irradiance_harmonics(radiance), 0.0
    ).astype(np.float32)
    return light


def sampled(panorama: Array, directions: Array) -> Array:
    """Radiance in directions (..., 3), bilinear; across the seam and over the poles."""
    height, width = panorama.shape[:2]
    azimuth, elevation = angles(directions)
    x = (azimuth + 180.0) / 360.0 * width - 0.5
    y = (90.0 - elevation) / 180.0 * height - 0.5
    left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    right_share, down_share = (x - left)[..., None], (y - top)[..., None]

    def at(row: NDArray[np.int64], column: NDArray[np.int64]) -> Array:
        over = (row < 0) | (row >= height)
        row = np.where(row < 0, -1 - row, np.where(row >= height, 2 * height - 1 - row, row))
        picked: Array = panorama[row, (column + np.where(over, width // 2, 0)) % width].astype(
            np.float32
        )
        return picked

    upper = at(top, left) * (1.0 - right_share) + at(top, left + 1) * right_share
    lower = at(top + 1, left) * (1.0 - right_share) + at(top + 1, left + 1) * right_share
    result: Array = (upper * (1.0 - down_share) + lower * down_share).astype(np.float32)
    return result


def cube_faces(panorama: Array, edge_px: int) -> dict[str, Array]:
    """Render the six `FACES` (edge, edge, C) of a cube around the viewer."""
    along = (np.arange(edge_px, dtype=np.float32) + np.float32(0.5)) * np.float32(
        2.0 / edge_px
    ) - np.float32(1.0)
    faces = {}
    for name, (centre, right, up) in FACES.items():
        rays = (
            np.array(centre, np.float32)
            + along[None, :, None] * np.array(right)
            - along[:, None, None] * np.array(up)
        )
        unit = (rays / np.linalg.norm(rays, axis=-1, keepdims=True)).astype(np.float32)
        faces[name] = sampled(panorama, unit)
    return faces


def perspective(
    panorama: Array, azimuth_deg: float, elevation_deg: float, field_deg: float, edge_px: int
) -> Array:
    """Render a square view (edge, edge, C) towards a direction with a field of view
    ``field_deg``.
    """
    reach = np.tan(np.radians(field_deg / 2.0))
    along = ((np.arange(edge_px) + 0.5) * (2.0 / edge_px) - 1.0) * reach
    forward = direction(azimuth_deg, elevation_deg)
    right = direction(azimuth_deg + 90.0, 0.0)
    up = np.cross(forward, right)
    rays = forward + along[None, :, None] * right - along[:, None, None] * up
    return sampled(
        panorama, (rays / np.linalg.norm(rays, axis=-1, keepdims=True)).astype(np.float32)
    )


def tone_map(panorama: Array, key: float = MIDDLE_GREY) -> NDArray[np.uint8]:
    """Convert radiance (H, W, 3) to sRGB bytes: the geometric mean over the sphere becomes ``key``,
    highlights roll off (Reinhard et al. 2002).
    """
    return expose(panorama, key / geometric_mean(panorama))


def expose(linear: Array, exposure: float) -> NDArray[np.uint8]:
    """Convert radiance times ``exposure`` to sRGB bytes; highlights roll off in each channel."""
    exposed = np.maximum(linear.astype(np.float32), 0.0) * np.float32(exposure)
    rolled = exposed * (1.0 + exposed / np.float32(WHITE * WHITE)) / (1.0 + exposed)
    return np.round(linear_to_srgb(rolled) * 255.0).astype(np.uint8)


def luminance(linear: Array) -> Array:
    """Return the luminance of Rec.709 colours, (..., 3) -> (...)."""
    value: Array = (
        linear.astype(np.float32) @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    ).astype(np.float32)
    return value


def geometric_mean(panorama: Array, floor: float = 1e-4) -> float:
    """Return the geometric mean of the luminance over the sphere."""
    weights = np.broadcast_to(solid_angles(panorama.shape[0]), panorama.shape[:2])
    return float(np.exp(np.average(np.log(luminance(panorama) + floor), weights=weights)))
