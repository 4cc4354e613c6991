# SPDX-License-Identifier: Apache-2.0
"""Prepares HDR maps for training: brightest light at azimuth 0, lights taken out, logarithms, small
panoramas.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from texgen.errors import InvalidRequestError
from texgen.files.images import decode_exr
from texgen.maps import Light
from texgen.render.panorama import geometric_mean, luminance, pixel_angles
from texgen_server.environment.lights import render_light
from texgen_server.networks.channels import STOPS
from texgen_server.training.catalog import write_parts
from texgen_server.training.environment.lights import take_lights
from texgen_server.training.environment.sky import filled_sky, sky_mask

ROWS = 512
LAYOUT_ROWS = 64
"""Rows of the small panoramas that the network starts from.

With 32 a window is one cell, and no network could draw a room.
"""
SPLIT_FILE = Path(__file__).with_name("split.csv")
VALIDATION_SHARE = 0.1
DARKEST, BRIGHTEST = -12.0, 14.0
"""Range that is kept, in stops from the geometric mean."""
INDOORS = ("indoor", "studio")
"""Classes without a sky, whatever the ceiling looks like."""

Array = NDArray[np.float32]


@dataclass(frozen=True)
class HdrAsset:
    """A CC0 map of the training data."""

    asset_id: str
    publisher: str
    environment_class: str
    licence: str
    source: str
    lost_share: float
    """Share of its light that was lost where the brightest pixels were clamped."""


def read_environments(data: Path) -> list[HdrAsset]:
    """Read ``data/environments.csv``, sorted by asset id.

    Raises InvalidRequestError when it is missing, or an asset is not CC0.
    """
    path = data / "environments.csv"
    if not path.is_file():
        raise InvalidRequestError(
            f"no {path.name} in {data}: --data takes the folder that holds environments.csv "
            f"and environments/"
        )
    with path.open(newline="", encoding="utf-8") as file:
        assets = [_asset(row) for row in csv.DictReader(file)]
    not_free = [a.asset_id for a in assets if not a.licence.upper().startswith("CC0")]
    if not_free:
        raise InvalidRequestError(
            f"these assets are not CC0 and may not be trained on: {', '.join(not_free)}"
        )
    return sorted(assets, key=lambda a: a.asset_id)


def _asset(row: dict[str, str]) -> HdrAsset:
    lost = float(row["energy_lost_to_clamp"] or 0.0)
    return HdrAsset(
        row["asset_id"], row["publisher"], row["class"], row["licence"], row["source"], lost
    )


def place_of(asset_id: str) -> str:
    """Return the name that maps of one place, or one shoot, share: they are held out together."""
    return re.sub(r"(_puresky|_\d+[a-z]?(_\w+)?|\d+[AB]?)$", "", asset_id.removeprefix("pmndrs_"))


def make_split(assets: list[HdrAsset]) -> set[str]:
    """Return the asset ids of the validation part: about a tenth of each class, whole places,
    chosen by hash.
    """
    held: set[str] = set()
    for name in sorted({a.environment_class for a in assets}):
        members = [a for a in assets if a.environment_class == name]
        budget = max(1, round(len(members) * VALIDATION_SHARE))
        places = sorted(
            {place_of(a.asset_id) for a in members},
            key=lambda p: hashlib.sha256(p.encode()).digest(),
        )
        for place in places:
            own = {a.asset_id for a in assets if place_of(a.asset_id) == place}
            if len(own) <= budget:
                held |= own
                budget -= len(own)
    return held


def write_split(assets: list[HdrAsset]) -> None:
    """Write the committed split file from `make_split`; `catalog.read_split` reads it."""
    rows = ((a.asset_id, a.environment_class, place_of(a.asset_id)) for a in assets)
    write_parts(SPLIT_FILE, make_split(assets), rows, "place")


def load_hdr(data: Path, asset: HdrAsset) -> Array:
    """Read (512, 1024, 3) radiance, not below 0.

    Raises InvalidRequestError when the file is of another size.
    """
    pixels = np.maximum(
        decode_exr((data / "environments" / f"{asset.asset_id}.exr").read_bytes()).astype(
            np.float32
        ),
        0.0,
    )
    if pixels.shape != (ROWS, 2 * ROWS, 3):
        raise InvalidRequestError(
            f"{asset.asset_id}: {pixels.shape[1]} x {pixels.shape[0]} px; training takes "
            f"{2 * ROWS} x {ROWS}"
        )
    return pixels


@dataclass(frozen=True)
class Prepared:
    """A map turned so that its brightest light, or side, is at azimuth 0."""

    # (3, 512, 1024) log2 radiance over the exposure, in units of STOPS, without the lights
    stops: Array
    layout: Array  # (4, 64, 128) see `panoramas`
    sky: Array  # (3, 64, 128) the sky alone; zeros where there is none
    lights: list[Light]
    exposure: float  # geometric mean of the luminance without the lights


def prepared(panorama: Array, lost_share: float, *, indoors: bool) -> Prepared:
    """Take the lights out of a panorama, turn it, and take logarithms."""
    lights, rest = take_lights(panorama, lost_share)
    turn = (
        _brightest_column(rest)
        if not lights
        else round((lights[0].azimuth_deg + 180.0) / 180.0 * ROWS - 0.5)
    )
    shift = ROWS - turn
    rest = np.roll(rest, shift, 1)
    lights = [
        _turned(light, -lights[0].azimuth_deg) for light in lights
    ]  # the brightest exactly at 0, not at a pixel
    exposure = geometric_mean(rest)
    cells = (
        rest.reshape(LAYOUT_ROWS, ROWS // LAYOUT_ROWS, 2 * LAYOUT_ROWS, ROWS // LAYOUT_ROWS, 3)
        .mean((1, 3))
        .transpose(2, 0, 1)
    )
    small = rest.reshape(ROWS // 2, 2, ROWS, 2, 3).mean((1, 3))
    mask = np.zeros(small.shape[:2], bool) if indoors else sky_mask(small)
    share = (
        mask.reshape(LAYOUT_ROWS, -1, 2 * LAYOUT_ROWS, ROWS // 2 // LAYOUT_ROWS)
        .mean((1, 3))
        .astype(np.float32)
    )
    colors = in_stops(cells, exposure)
    sky = filled_sky(colors, share) if share.any() else np.zeros_like(colors)
    return Prepared(
        in_stops(rest.transpose(2, 0, 1), exposure),
        np.concatenate([colors, share[None]]),
        sky,
        lights,
        exposure,
    )


def in_stops(radiance: Array, exposure: float) -> Array:
    """Return radiance as log2 over the exposure, in units of `STOPS`."""
    stops: Array = (
        np.clip(np.log2(np.maximum(radiance / exposure, 1e-6)), DARKEST, BRIGHTEST) / STOPS
    ).astype(np.float32)
    return stops


def _turned(light: Light, degrees: float) -> Light:
    return Light(
        (light.azimuth_deg + degrees + 180.0) % 360.0 - 180.0,
        light.elevation_deg,
        light.radius_deg,
        light.flux,
    )


def _brightest_column(rest: Array) -> int:
    """Find the column from which most light comes above the horizon, without detail."""
    _, elevation = pixel_angles(ROWS)
    weights = np.cos(np.radians(elevation)) * (elevation > -10.0)
    along = (luminance(rest) * weights[:, None].astype(np.float32)).sum(0)
    return int(ndimage.gaussian_filter1d(along, 2 * ROWS / 30.0, mode="wrap").argmax())


def prepare_environments(data: Path, assets: list[HdrAsset], out: Path) -> None:
    """Write ``stops.npy`` (N, 3, 512, 1024) float16, ``layouts.npz`` and ``environments.json``."""
    out.mkdir(parents=True, exist_ok=True)
    stops = np.lib.format.open_memmap(
        out / "stops.npy", "w+", np.float16, (len(assets), 3, ROWS, 2 * ROWS)
    )
    layouts, skies, facts = [], [], []
    for i, asset in enumerate(assets):
        one = prepared(
            load_hdr(data, asset), asset.lost_share, indoors=asset.environment_class in INDOORS
        )
        stops[i] = one.stops
        layouts.append(one.layout)
        skies.append(one.sky)
        lights = [
            [light.azimuth_deg, light.elevation_deg, light.radius_deg, *light.flux]
            for light in one.lights
        ]
        facts.append(
            {
                "asset": asset.asset_id,
                "class": asset.environment_class,
                "exposure": one.exposure,
                "lights": lights,
            }
        )
    stops.flush()
    np.savez(out / "layouts.npz", layouts=np.stack(layouts), skies=np.stack(skies))
    (out / "environments.json").write_text(json.dumps(facts), encoding="utf-8")


class HdrPack:
    """The files that `prepare_environments` wrote, memory-mapped."""

    def __init__(self, folder: Path) -> None:
        facts = json.loads((folder / "environments.json").read_text(encoding="utf-8"))
        self.assets: list[str] = [f["asset"] for f in facts]
        self.classes: list[str] = [f["class"] for f in facts]
        self.exposures: list[float] = [f["exposure"] for f in facts]
        self.lights = [
            [Light(a, e, r, (red, green, blue)) for a, e, r, red, green, blue in f["lights"]]
            for f in facts
        ]
        self.stops = np.load(folder / "stops.npy", mmap_mode="r")
        with np.load(folder / "layouts.npz") as small:
            self.layouts: Array = small["layouts"]
            self.skies: Array = small["skies"]

    def panorama(self, index: int) -> Array:
        """Return (512, 1024, 3) radiance of a map, turned, with its lights, including the light
        that clamping had taken from them.
        """
        stops = self.stops[index].astype(np.float32) * np.float32(STOPS)
        radiance = np.exp2(stops) * np.float32(self.exposures[index])
        out: Array = radiance.transpose(1, 2, 0).copy()
        for light in self.lights[index]:
            rows, columns, added = render_light(light, out.shape[0])
            out[rows, columns] += added
        return out
