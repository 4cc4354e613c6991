# SPDX-License-Identifier: Apache-2.0
"""Writes the model folder of an environment generator."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from texgen.maps import MapKind
from texgen_server.environment.controls import AS_DRAWN_DEG
from texgen_server.environment.scene import MOST_LIGHTS
from texgen_server.environment.sky_model import SkyModel
from texgen_server.networks.channels import SKY
from texgen_server.networks.params import EnvironmentParams
from texgen_server.registry import NETWORK_PREFIX
from texgen_server.training.environment.data import HdrPack
from texgen_server.training.model_folder import control, write_folder
from texgen_server.training.state import network_tensors

UNDER_THE_SUN = (
    "outdoor_clear",
    "outdoor_cloudy",
    "overcast",
    "skies_only",
    "sunset_sunrise",
    "urban",
    "forest",
)
"""Classes whose brightest light is, or would be, the sun, where there is a sky."""
CONTROLS: list[dict[str, Any]] = [
    control(
        "sun_azimuth_deg",
        "Sun azimuth",
        "Turns everything; the brightest light stands here.",
        (-180.0, 0.0, 180.0),
        unit="deg",
    ),
    control(
        "sun_elevation_deg",
        "Sun elevation",
        "Height of the sun, whose sky and ground follow; in a room or at night, of the "
        "brightest light. -20: where the seed puts it.",
        (AS_DRAWN_DEG, AS_DRAWN_DEG, 90.0),
        unit="deg",
        post_process=False,
    ),
    control(
        "sun_intensity_ev",
        "Sun intensity",
        "Stops that the brightest light gains or loses.",
        (-6.0, 0.0, 6.0),
        unit="EV",
    ),
    control(
        "sun_size",
        "Sun size",
        "Multiplies the brightest light's radius, at the same energy: softer shadows.",
        (0.5, 1.0, 20.0),
    ),
    control(
        "cloud_cover",
        "Cloud cover",
        "Above 0 towards an overcast sky, whose sun casts no shadow; below 0 towards a clear one.",
        (-1.0, 0.0, 1.0),
        post_process=False,
    ),
    control("exposure_ev", "Exposure", "Stops brighter or darker.", (-8.0, 0.0, 8.0), unit="EV"),
    control(
        "white_balance_k",
        "White balance",
        "Light of this colour temperature becomes white.",
        (2500.0, 6500.0, 15000.0),
        unit="K",
    ),
    control(
        "horizon_ev",
        "Horizon",
        "Stops that a band at the horizon gains or loses.",
        (-3.0, 0.0, 3.0),
        unit="EV",
        post_process=False,
    ),
    control(
        "ground_ev",
        "Ground",
        "Stops that the ground, and all that stands on it, gains or loses.",
        (-4.0, 0.0, 4.0),
        unit="EV",
        post_process=False,
    ),
]


def write_environment(
    tensors: Mapping[str, NDArray[Any]],
    pack: HdrPack,
    train: list[int],
    params: EnvironmentParams,
    skies: SkyModel,
    folder: Path,
    version: str,
    data: dict[str, Any],
) -> None:
    """Write the averaged weights of a state and the tables of the training maps in float16, and
    ``model.toml``. ``train`` are the rows of the training maps.
    """
    order = sorted(train, key=lambda i: (pack.classes[i], pack.assets[i]))
    names = sorted({pack.classes[i] for i in order})
    classes: list[dict[str, Any]] = [
        {
            "name": n,
            "preset": False,
            "materials": [pack.assets[i] for i in order if pack.classes[i] == n],
        }
        for n in names
    ]
    network = {
        "code_dim": params.code_dim,
        "style_dim": params.style_dim,
        "noise_channels": params.noise_channels,
        "widths": list(params.widths),
        "layout_rows": params.layout_rows,
        "rows": params.rows,
    }
    sizes = {"multiple_px": params.rows, "min_edge_px": params.rows, "max_edge_px": 2 * params.rows}
    about = {"title": "HDR environments", "kind": "environment", "version": version}
    arrays = _arrays(tensors, pack, order, skies)
    maps = [MapKind.ENVIRONMENT]
    write_folder(folder, about, arrays, network, sizes, data, classes, CONTROLS, maps)


def _arrays(
    tensors: Mapping[str, NDArray[Any]], pack: HdrPack, order: list[int], skies: SkyModel
) -> dict[str, NDArray[Any]]:
    """Return weights and tables as the model's file holds them: float16, but lights and flags."""
    generator = network_tensors(tensors, "ema_generator")
    weights = {f"{NETWORK_PREFIX}{k}": v for k, v in sorted(generator.items())}
    tables = {
        "codes": tensors["ema_codes/table"][order],
        "layouts": pack.layouts[order],
        "skies": pack.skies[order],
        "exposures": np.log2(np.array([pack.exposures[i] for i in order])),
        "clear/elevations_deg": skies.elevations_deg,
        "clear/stops": skies.stops,
        "clear/sun": skies.sun,
    }
    halves = {k: v.astype(np.float16) for k, v in (weights | tables).items()}
    exact = {
        "lights": _light_table(pack, order),
        "sunny": np.array([_sunny(pack, i) for i in order], np.uint8),
    }
    return halves | exact


def _light_table(pack: HdrPack, order: list[int]) -> NDArray[np.float32]:
    """Return lights (N, 3, 6) in float32: a sun's flux is beyond half floats."""
    table = np.zeros((len(order), MOST_LIGHTS, 6), np.float32)
    for row, index in enumerate(order):
        for column, light in enumerate(pack.lights[index]):
            table[row, column] = (
                light.azimuth_deg,
                light.elevation_deg,
                light.radius_deg,
                *light.flux,
            )
    return table


def _sunny(pack: HdrPack, index: int) -> bool:
    return pack.classes[index] in UNDER_THE_SUN and bool(pack.layouts[index][SKY].any())
