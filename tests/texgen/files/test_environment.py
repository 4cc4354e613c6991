# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import numpy as np
import pytest

from texgen.files.environment import Extras, environment_contents, environment_names
from texgen.files.images import decode_exr, decode_png
from texgen.maps import ColorSpace, Encoding, Environment, Light, MapKind, PackedMap, raw_bytes

EVERYTHING = Extras(cubemap=True, ldr=True, irradiance=True)


@pytest.fixture
def environment(rng):
    panorama = rng.uniform(0.1, 4.0, (32, 64, 3)).astype(np.float16)
    packed = PackedMap(
        MapKind.ENVIRONMENT,
        64,
        32,
        3,
        "float16",
        Encoding.RAW,
        ColorSpace.LINEAR,
        raw_bytes(panorama),
    )
    sun = Light(10.0, 30.0, 0.3, (1.0, 1.0, 0.9))
    return Environment(packed, "tg1:x", 3, "ab" * 32, "e", "CC0-1.0", (sun,))


@pytest.mark.parametrize("extras", [Extras(), EVERYTHING])
def test_every_named_file_is_written_and_hashed(environment, extras):
    contents = environment_contents(environment, "sky", extras)
    assert list(contents)[-1] == "sky.json"
    assert set(contents) == set(environment_names("sky", extras).values())
    sidecar = json.loads(bytes(contents["sky.json"]))
    assert set(sidecar["sha256"]) == set(contents) - {"sky.json"}
    assert sidecar["lights"][0]["elevation_deg"] == 30.0


def test_the_panorama_keeps_its_radiance_and_the_faces_their_size(environment):
    contents = environment_contents(environment, "sky", EVERYTHING)
    panorama = decode_exr(contents["sky_environment.exr"])
    given = np.frombuffer(environment.panorama.data, "<f2").reshape(32, 64, 3)
    assert np.array_equal(panorama, given)
    assert decode_exr(contents["sky_cube_front.exr"]).shape == (16, 16, 3)
    assert decode_png(contents["sky_environment_ldr.png"]).shape == (32, 64, 3)
    assert decode_exr(contents["sky_irradiance.exr"]).shape == (32, 64, 3)
