# SPDX-License-Identifier: Apache-2.0
"""Scene -> panorama of radiance: the network's output, enlarged by the upscaler; lights are added
last, at the full size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from texgen.maps import Light
from texgen_server.backend import Backend
from texgen_server.environment.layouts import conditioning, enlarged
from texgen_server.environment.lights import half_safe, render_light
from texgen_server.environment.previews import panorama_preview
from texgen_server.environment.scene import Scene
from texgen_server.networks.channels import RADIANCE, STOPS
from texgen_server.noise import gaussian_field

Array = NDArray[np.float32]
Enlarge = Callable[[Array], Array]
"""Enlarges (3, H, 2 H) float32, of about [0, 1], to a multiple of its size."""

CORRECTED_STOPS = 2.0
"""Most stops by which the network's cells are corrected to the brightness of the layout."""
DARKEST, BRIGHTEST = -14.0, 14.0
"""Stops that the upscaler gets as 0 and as 1; values beyond them are not clipped."""
STRIP_ROWS = 256


@dataclass(frozen=True)
class PanoramaRenderer:
    """Renders scenes with a backend."""

    backend: Backend
    noise_channels: int
    levels: int
    check: Callable[[], None] = lambda: None
    """Called between steps; raises to stop the work."""
    on_preview: Callable[[NDArray[np.uint8]], None] = lambda pixels: None
    """Called once, where the panorama is enlarged, with a preview of it: (h, 2 h, 3) sRGB."""

    def panorama(
        self, scene: Scene, enlarge: Enlarge | None = None
    ) -> tuple[NDArray[np.float16], tuple[Light, ...]]:
        """Return radiance (H, 2 H, 3) at the network's size, or as ``enlarge`` makes it, and its
        lights where they stand in it.
        """
        stops = self._corrected(self._network_output(scene), scene.layout)
        self.check()
        if enlarge is not None:
            turned = np.roll(stops, round(scene.azimuth_deg / 180.0 * stops.shape[1]), 2)
            self.on_preview(
                panorama_preview(
                    np.exp2(turned * np.float32(STOPS)).transpose(1, 2, 0) * scene.gains
                )
            )
            stops = _enlarged(enlarge, stops)
        height = stops.shape[1]
        turn = round(scene.azimuth_deg / 180.0 * height)
        out = np.empty((height, 2 * height, 3), np.float16)
        for top in range(0, height, STRIP_ROWS):
            strip = (
                np.exp2(stops[:, top : top + STRIP_ROWS] * np.float32(STOPS)).transpose(1, 2, 0)
                * scene.gains
            )
            out[top : top + STRIP_ROWS] = np.minimum(np.roll(strip, turn, 1), 65504.0)
        self.check()
        lights = tuple(half_safe(_placed(light, scene), height) for light in scene.lights)
        for light in lights:
            rows, columns, radiance = render_light(light, height)
            out[rows, columns] = np.minimum(
                out[rows, columns].astype(np.float32) + radiance, 65504.0
            )
        return out, lights

    def _network_output(self, scene: Scene) -> Array:
        """Run the network: (3, H, 2 H) log2 radiance in units of `STOPS`."""
        key = scene.lights[0] if scene.lights else None
        light = (key.azimuth_deg, key.elevation_deg) if key else None
        small = scene.layout.shape[1]
        rows = [small * 2**i for i in range(self.levels)]
        conditions = [conditioning(scene.layout, light, n)[None] for n in rows]
        noises = [_noise(scene.seed, 1 + i, 1, n) for i, n in enumerate(rows)]
        start = _noise(scene.seed, 0, self.noise_channels, small)
        features = self.backend.run(
            "trunk", [scene.codes[None], start, *conditions, *noises], reuse_outputs=True
        )
        self.check()
        (panoramas,) = self.backend.run("head", [features[0], conditions[-1]])
        stops: Array = panoramas[0]
        return stops

    def _corrected(self, stops: Array, layout: Array) -> Array:
        """Correct the light of every cell to that of the layout, which alone decides the lighting
        of a scene.
        """
        small = layout.shape[1]
        cell = stops.shape[1] // small
        radiance = (
            np.exp2(stops * np.float32(STOPS)).reshape(3, small, cell, 2 * small, cell).mean((2, 4))
        )
        missing = layout[RADIANCE] - np.log2(np.maximum(radiance, 1e-6)) / np.float32(STOPS)
        limit = np.float32(CORRECTED_STOPS / STOPS)
        return stops + enlarged(np.clip(missing, -limit, limit).astype(np.float32), cell)


def _noise(seed: int, level: int, channels: int, rows: int) -> Array:
    return gaussian_field(seed, level, channels, np.arange(rows), np.arange(2 * rows))[None]


def _placed(light: Light, scene: Scene) -> Light:
    """Return the light as it stands in the result, and as bright."""
    azimuth = (light.azimuth_deg + scene.azimuth_deg + 180.0) % 360.0 - 180.0
    red, green, blue = (float(f * g) for f, g in zip(light.flux, scene.gains, strict=True))
    return replace(light, azimuth_deg=azimuth, flux=(red, green, blue))


def _enlarged(enlarge: Enlarge, stops: Array) -> Array:
    """Enlarge log2 radiance in units of `STOPS` by a network for colours in [0, 1]."""
    unit = (stops * np.float32(STOPS) - np.float32(DARKEST)) / np.float32(BRIGHTEST - DARKEST)
    large = enlarge(unit)
    large *= np.float32((BRIGHTEST - DARKEST) / STOPS)
    large += np.float32(DARKEST / STOPS)
    return large
