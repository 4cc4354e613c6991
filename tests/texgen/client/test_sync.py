# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from tests.texgen.wire.test_request_fields import ANYTHING
from texgen import Client
from texgen.errors import ConnectionFailedError, InvalidRequestError, NotFoundError, TexgenError
from texgen.files.images import decode
from texgen.maps import Encoding, MapKind, MapSet, Material
from texgen.pb import texgen_pb2 as pb
from texgen.wire import requests

NOBODY = "127.0.0.1:1"
RAMP = {MapKind.HEIGHT: np.arange(64 * 64, dtype=np.uint16).reshape(64, 64, 1)}


def test_a_call_that_was_built_by_hand_is_a_call(client):
    call = requests.generate("bark", seed=3, size_px=(64, 64), encoding=Encoding.RAW)
    call.request.maps.append(pb.MAP_KIND_AO)
    (packed,) = client.stream(call).material().maps.values()
    assert packed.kind is MapKind.AO


def test_changed_maps_are_a_map_set_and_generated_ones_a_material(client):
    large = client.upscale(RAMP, 2, encoding=Encoding.RAW)
    closed = client.repair(RAMP, tiling="always", encoding=Encoding.RAW)
    material = client.generate("bark", seed=3, size_px=(64, 64), encoding=Encoding.RAW)
    assert type(large) is type(closed) is MapSet
    assert type(material) is Material
    assert decode(large.maps[MapKind.HEIGHT]).shape == (128, 128, 1)
    assert closed.repairs == {MapKind.HEIGHT: ("tiled",)}
    assert large.engine == material.engine
    assert large.model_digest
    assert set(large.timings_s) == {"queue", "compute", "encode"}


def test_long_work_yields_progress_and_previews(client):
    seen, pictures = [], []
    client.generate(
        "bark",
        seed=11,
        size_px=(256, 256),
        on_progress=seen.append,
        on_preview=lambda kind, png: pictures.append((kind, png[:4])),
    )
    fractions = [progress.fraction for progress in seen]
    assert fractions == sorted(fractions)
    assert (seen[-1].fraction, seen[-1].stage) == (1.0, "done")
    assert all(kind in MapKind and png == b"\x89PNG" for kind, png in pictures)


@pytest.mark.parametrize("name", ["on_progress", "on_preview"])
def test_a_callback_that_cannot_be_called_is_refused(name):
    with Client(NOBODY) as client, pytest.raises(InvalidRequestError, match=name):
        client.generate("bark", **{name: 5})


def test_a_closed_client_says_so():
    client = Client(NOBODY)
    client.close()
    for call in (lambda: client.generate("bark"), client.list_models, client.explore):
        with pytest.raises(ConnectionFailedError, match="closed"):
            call()


def test_a_model_that_is_not_there(client):
    with pytest.raises(NotFoundError, match="chocolate"):
        client.get_model("chocolate")


@pytest.mark.parametrize(
    "call",
    [
        lambda c, value: c.generate(value),
        lambda c, value: c.vary(value, value),
        lambda c, value: c.mix(value, value),
        lambda c, value: c.capture(value),
        lambda c, value: c.upscale(value, value),
        lambda c, value: c.repair(value, fill=value),
        lambda c, value: c.generate_environment(value),
        lambda c, value: c.get_model(value),
        lambda c, value: c.load_model(value),
        lambda c, value: c.model_statistics(value),
    ],
)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(value=ANYTHING)
def test_nothing_but_our_errors_escapes(call, value):
    with Client(NOBODY, retry=False) as client, pytest.raises(TexgenError):
        call(client, value)
