# SPDX-License-Identifier: Apache-2.0
"""An environment lights a scene in Cycles: the shadow of a pole points away from the stated sun,
and is as long as its elevation says.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from texgen import Client, find_card
from texgen.errors import NotFoundError
from texgen.render.panorama import blender_direction
from texgen_server.config import ServerConfig
from texgen_server.rpc.server import EmbeddedServer

SCRIPT = Path(__file__).parent / "scripts" / "shadow.py"
PYTHONS = [p for p in os.environ.get("TEXGEN_BPY_PYTHONS", "").split(":") if p]


@pytest.fixture(scope="module")
def sky(models):
    """Azimuth and elevation -> a generated clear sky of the shipped model, or of a random one where
    none ships.
    """
    try:
        find_card("environment")
        chosen = None
    except NotFoundError:
        chosen = models
    with (
        EmbeddedServer(ServerConfig(port=0, models=chosen, device="torch", grace_s=1.0)) as server,
        Client(server.address) as client,
    ):
        yield lambda azimuth, elevation: client.generate_environment(
            "outdoor_clear",
            seed=5,
            width_px=1024,
            controls={
                "sun_azimuth_deg": azimuth,
                "sun_elevation_deg": elevation,
                "sun_intensity_ev": 1.0,
            },
        )


@pytest.mark.blender
@pytest.mark.parametrize(("azimuth", "elevation"), [(35.0, 50.0), (-110.0, 20.0)])
def test_the_shadow_of_a_pole_points_away_from_the_sun(sky, tmp_path, azimuth, elevation):
    if not PYTHONS:
        pytest.skip("TEXGEN_BPY_PYTHONS names no Python with bpy")
    environment = sky(azimuth, elevation)
    (tmp_path / "sky.exr").write_bytes(environment.panorama.data)
    variables = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    command = [PYTHONS[0], str(SCRIPT), str(tmp_path / "sky.exr"), str(tmp_path / "shadow.png")]
    done = subprocess.run(
        command, env=variables, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    facts = json.loads([line for line in done.stdout.splitlines() if line.startswith("{")][-1])
    towards, height_deg = measured_sun(tmp_path / "shadow.png", facts)
    x, y, _ = blender_direction(azimuth, 0.0)
    assert abs((towards - np.degrees(np.arctan2(y, x)) + 180) % 360 - 180) < 2.0
    assert abs(height_deg - elevation) < 2.0


def measured_sun(path, facts):
    """Direction of the sun in the ground plane (degrees from +x towards +y) and its elevation, from
    a picture of the shadow from above.
    """
    with Image.open(path) as picture:
        light = np.asarray(
            picture.convert("I;16" if picture.mode.startswith("I") else "RGB"), np.float64
        )
    light = light if light.ndim == 2 else light.mean(2)
    rows, columns = np.nonzero(light < 0.6 * np.median(light))
    edge = light.shape[0]
    x, y = (
        (columns + 0.5 - edge / 2) / facts["px_per_unit"],
        (edge / 2 - rows - 0.5) / facts["px_per_unit"],
    )
    beyond = np.hypot(x, y) > 0.1  # not the pole itself
    x, y = x[beyond], y[beyond]
    away = np.arctan2(y.mean(), x.mean())
    along = x * np.cos(away) + y * np.sin(away)
    return (np.degrees(away) + 360) % 360 - 180, np.degrees(
        np.arctan2(facts["height"], np.quantile(along, 0.995))
    )
