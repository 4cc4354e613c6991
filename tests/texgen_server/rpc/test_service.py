# SPDX-License-Identifier: Apache-2.0
"""The contract, over a real connection."""

from __future__ import annotations

import ast
from pathlib import Path

import grpc
import numpy as np
import pytest

from tests.texgen_server.rpc.metadata import TOKEN
from texgen.client import Client
from texgen.errors import (
    CancelledError,
    InvalidRequestError,
    LoadError,
)
from texgen.files.images import decode
from texgen.maps import MATERIAL_MAPS, Encoding, MapKind
from texgen.pb import texgen_pb2 as pb
from texgen.pb import texgen_pb2_grpc as pb_grpc
from texgen_server.config import ServerConfig
from texgen_server.rpc import service
from texgen_server.rpc.server import EmbeddedServer


def test_a_material_arrives_whole(client):
    stages = []
    material = client.generate(
        "bark", seed=3, size_px=(96, 64), on_progress=lambda p: stages.append(p.stage)
    )
    assert list(material.maps) == list(MATERIAL_MAPS)
    for kind, packed in material.maps.items():
        assert decode(packed).shape[:2] == (64, 96), kind
    assert material.maps[MapKind.HEIGHT].dtype == "uint16"
    assert set(material.tileability) == set(MATERIAL_MAPS)
    assert material.engine == client.server_info().devices[0].engine
    assert stages[-1] == "done"


def test_encodings_hold_the_same_pixels(client):
    png, raw = (
        client.generate("bark", seed=3, size_px=(64, 64), encoding=e)
        for e in (Encoding.PNG, Encoding.RAW)
    )
    for kind in MATERIAL_MAPS:
        assert np.array_equal(decode(png.maps[kind]), decode(raw.maps[kind]))


def test_only_the_wanted_maps_are_sent(client):
    material = client.generate(
        "bark", seed=3, size_px=(32, 32), maps=[MapKind.HEIGHT, MapKind.BASECOLOR]
    )
    assert list(material.maps) == [MapKind.BASECOLOR, MapKind.HEIGHT]


def test_the_seed_is_told_when_the_server_chose_it(client):
    material = client.generate("bark", size_px=(32, 32))
    again = client.generate(recipe=material.recipe)
    assert again.seed == material.seed
    assert again.maps == material.maps


def test_the_seed_is_told_at_once(server):
    """A client that loses the connection can ask for the same again."""
    with grpc.insecure_channel(server) as channel:
        request = pb.GenerateMaterialRequest(
            classes=[pb.ClassWeight(name="bark", weight=1)], size=pb.Size(width_px=32, height_px=32)
        )
        events = list(pb_grpc.TextureServiceStub(channel).GenerateMaterial(request, metadata=TOKEN))
    assert events[0].accepted.seed == events[-1].summary.seed > 0
    assert events[0].accepted.recipe == events[-1].summary.recipe


def test_more_pixels_than_the_server_makes_are_refused_with_its_limit(models):
    config = ServerConfig(port=0, models=models, device="torch", grace_s=0.5, max_pixels=64 * 64)
    with EmbeddedServer(config) as server, Client(server.address) as client:
        assert client.generate("bark", seed=1, size_px=(64, 64)).maps
        with pytest.raises(InvalidRequestError, match="4096 px"):
            client.generate("bark", seed=1, size_px=(96, 64))
        with pytest.raises(InvalidRequestError, match="4096"):
            client.generate(
                "bark", seed=1, size_px=(64, 64), window_px=(0, 0, 65, 64), endless=True
            )


def test_models_and_server_tell_about_themselves(client, card):
    model = client.get_model()
    assert (model.id, model.digest) == ("material", card.digest)
    assert [c.name for c in model.classes] == card.class_names()
    assert {c.name for c in model.controls} == {c.name for c in card.controls}
    assert [(m.id, m.kind) for m in client.list_models()] == [
        ("environment", "environment"),
        ("estimator", "estimator"),
        ("material", "material"),
        ("upscaler", "upscaler"),
    ]
    info = client.server_info()
    assert info.limits.max_edge_px == card.max_edge_px
    assert info.version


def test_a_damaged_model_says_which_file(models, tmp_path):
    import shutil

    shutil.copytree(models, tmp_path / "models")
    (tmp_path / "models" / "material" / "weights.safetensors").write_bytes(b"junk")
    config = ServerConfig(port=0, models=tmp_path / "models", device="torch", grace_s=0.5)
    with (
        EmbeddedServer(config) as server,
        Client(server.address) as client,
        pytest.raises(LoadError, match=r"weights\.safetensors"),
    ):
        client.generate("bark", size_px=(32, 32))


def test_a_deadline_ends_the_call(server):
    with Client(server, "secret", deadline_s=0.001) as hurried, pytest.raises(CancelledError):
        hurried.generate("bark", size_px=(2048, 2048))


SOURCE = Path(service.__file__).read_text(encoding="utf-8")
MOST_LINES = 15


def methods(source):
    """Methods of the servicers, with their numbers of lines, docstrings not counted."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef):
            for method in node.body:
                if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield f"{node.name}.{method.name}", method.end_lineno - method.lineno + 1


def decides(source):
    """Modules that a servicer has no business with, of those that it imports."""
    below = ("cache", "cache_folder", "observability", "rpc.admission", "prompt")
    imported = [
        f"{node.module}.{alias.name}"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]
    return [
        name for name in imported if name.startswith(tuple(f"texgen_server.{b}" for b in below))
    ]


def test_a_servicer_converts_and_streams_and_decides_nothing():
    assert len(dict(methods(SOURCE))) > 15
    assert {name: lines for name, lines in methods(SOURCE) if lines > MOST_LINES} == {}
    assert decides(SOURCE) == []
    assert max(map(len, SOURCE.splitlines())) <= 100


def test_a_thick_servicer_would_be_caught():
    long = "class A:\n    def f(self):\n" + "        pass\n" * 15
    assert [lines for _, lines in methods(long)] == [16]
    assert decides("from texgen_server.rpc.admission import Admission")
    assert decides("from texgen_server.observability.model_statistics import Statistics")
