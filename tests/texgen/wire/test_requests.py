# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import inspect

import numpy as np
import pytest

from texgen.maps import Encoding, MapKind
from texgen.pb import texgen_pb2 as pb
from texgen.wire import requests
from texgen.wire.chunks import CHUNK_BYTES

BUILDERS = {
    "GenerateMaterial": requests.generate,
    "VaryMaterial": requests.vary,
    "MixMaterials": requests.mix,
    "CaptureMaterial": requests.capture,
    "UpscaleMaterial": requests.upscale,
    "RepairMaterial": requests.repair,
    "GenerateEnvironment": requests.generate_environment,
}
FIELDS = {"size_px": "size", "window_px": "window", "batch": "priority"}
"""Arguments whose field has another name."""


@pytest.mark.parametrize("method", BUILDERS)
def test_every_field_of_a_request_has_an_argument(method):
    message = pb.DESCRIPTOR.services_by_name["TextureService"].methods_by_name[method].input_type
    if options := message.fields_by_name.get("options"):
        message = options.message_type
    arguments = inspect.signature(BUILDERS[method]).parameters
    assert {FIELDS.get(name, name) for name in arguments} - {"photo"} == {
        name for name in message.fields_by_name if name != "photo_bytes"
    }


def test_a_material():
    call = requests.generate(
        {"brick": 0.7, "rock": 0.3},
        seed=2**64 - 1,
        size_px=(1024, 512),
        psi=0.5,
        controls={"moss": 0.4},
        window_px=(-3, 2**40, 5, 6),
        endless=True,
        detail="sr",
        maps=[MapKind.AO, "height"],
        encoding=Encoding.RAW,
        batch=True,
    )
    assert call == requests.TextureCall(
        "GenerateMaterial",
        pb.GenerateMaterialRequest(
            classes=[
                pb.ClassWeight(name="brick", weight=0.7),
                pb.ClassWeight(name="rock", weight=0.3),
            ],
            seed=2**64 - 1,
            size=pb.Size(width_px=1024, height_px=512),
            psi=0.5,
            controls={"moss": 0.4},
            window=pb.Window(x_px=-3, y_px=2**40, width_px=5, height_px=6),
            endless=True,
            detail=pb.DETAIL_SR,
            maps=[pb.MAP_KIND_AO, pb.MAP_KIND_HEIGHT],
            encoding=pb.ENCODING_RAW,
            priority=pb.PRIORITY_BATCH,
        ),
    )


def test_what_is_not_given_stays_unset():
    request = requests.generate("bark").request
    assert request == pb.GenerateMaterialRequest(
        classes=[pb.ClassWeight(name="bark", weight=1.0)],
        encoding=pb.ENCODING_PNG,
        priority=pb.PRIORITY_INTERACTIVE,
    )
    assert not request.HasField("seed")
    assert not request.HasField("psi")
    assert requests.generate_environment().request.encoding == pb.ENCODING_EXR


def test_numbers_of_numpy_are_numbers():
    request = requests.generate(
        "bark", seed=np.int64(7), size_px=np.array([64, 32]), psi=np.float32(0.5)
    ).request
    assert (request.seed, request.size.width_px, request.psi) == (7, 64, 0.5)


def test_parts_of_a_mix_are_a_mapping_or_pairs():
    pairs = [("tg1:a", 1.0), ("tg1:a", 2.0)]
    assert [p.weight for p in requests.mix(pairs).request.parts] == [1.0, 2.0]
    assert [p.recipe for p in requests.mix({"tg1:a": 1.0}).request.parts] == ["tg1:a"]


def test_a_photograph_follows_in_pieces():
    photo = bytes(range(256)) * (CHUNK_BYTES // 200)
    first, *rest = requests.capture(photo, palette=[0x302010], steps=0).request
    assert first.options.photo_bytes == len(photo)
    assert list(first.options.palette) == [0x302010]
    assert first.options.HasField("steps")
    assert b"".join(part.photo for part in rest) == photo
    assert max(len(part.photo) for part in rest) == CHUNK_BYTES


@pytest.mark.parametrize("build", [requests.upscale, requests.repair])
def test_maps_are_announced_and_follow_in_pieces(build):
    height = np.arange(600 * 600, dtype=np.uint16).reshape(600, 600, 1)
    maps = {MapKind.HEIGHT: height, MapKind.AO: np.zeros((600, 600, 1), np.uint8)}
    first, *rest = build(maps).request
    assert [(h.kind, h.dtype, h.byte_size) for h in first.options.maps] == [
        (pb.MAP_KIND_HEIGHT, pb.DTYPE_UINT16, height.nbytes),
        (pb.MAP_KIND_AO, pb.DTYPE_UINT8, 360_000),
    ]
    sent = b"".join(p.chunk.data for p in rest if p.chunk.kind == pb.MAP_KIND_HEIGHT)
    assert sent == height.tobytes()


def test_a_position_of_the_sliders_is_a_material():
    position = requests.generate("bark", seed=3)
    message = requests.explore(4, position)
    assert (message.sequence, message.material) == (4, position.request)
