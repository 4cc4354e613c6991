# SPDX-License-Identifier: Apache-2.0
"""The contract, over a real connection."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import grpc
import numpy as np
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from grpc_status import rpc_status

from texgen.client import Client
from texgen.errors import (
    AuthenticationError,
    CancelledError,
    CapacityError,
    ConnectionFailedError,
    InvalidRequestError,
    LoadError,
    NotFoundError,
)
from texgen.files.images import decode
from texgen.maps import MATERIAL_MAPS, Encoding, MapKind
from texgen.pb import texgen_pb2 as pb
from texgen.pb import texgen_pb2_grpc as pb_grpc
from texgen_server.config import ServerConfig
from texgen_server.engine.jobs import MaterialJob
from texgen_server.engine.local import LocalEngine
from texgen_server.rpc.interceptors import status_of
from texgen_server.rpc.server import EmbeddedServer

TOKEN = (("authorization", "Bearer secret"),)


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


def test_field_violations_reach_foreign_clients(server):
    with grpc.insecure_channel(server) as channel:
        stub = pb_grpc.TextureServiceStub(channel)
        request = pb.GenerateMaterialRequest(
            classes=[pb.ClassWeight(name="bark", weight=1)], size=pb.Size(width_px=33, height_px=64)
        )
        with pytest.raises(grpc.RpcError) as caught:
            list(stub.GenerateMaterial(request, metadata=TOKEN))
    status = rpc_status.from_call(caught.value)
    detail = error_details_pb2.BadRequest()
    assert status.details[0].Unpack(detail)
    assert detail.field_violations[0].field == "size"
    assert "32 and 64" in detail.field_violations[0].description


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"classes": "wool"}, InvalidRequestError, "bark, brick"),
        ({"classes": ""}, InvalidRequestError, "no class"),
        ({"classes": "bark", "recipe": "tg1:x"}, InvalidRequestError, "alone"),
        ({"classes": "bark", "model": "sky"}, NotFoundError, "material"),
        ({"classes": "bark", "seed": -1}, InvalidRequestError, "seed"),
        ({"classes": "bark", "size_px": (-1, 32)}, InvalidRequestError, "size"),
        (
            {"classes": "bark", "controls": {"relief_depth": float("inf")}},
            InvalidRequestError,
            "0 to 4",
        ),
    ],
)
def test_errors_become_ours_again(client, arguments, error, words):
    with pytest.raises(error, match=words):
        client.generate(**arguments)


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


def test_without_the_token_only_health_is_open(server):
    for token in ("", "guess", "secret "):
        with Client(server, token) as stranger:
            for call in (
                stranger.get_model,
                stranger.server_info,
                lambda c=stranger: c.generate("bark"),
            ):
                with pytest.raises(AuthenticationError):
                    call()
    with grpc.insecure_channel(server) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for service in ("", "texgen.v1.TextureService", "texgen.v1.ModelService"):
            assert (
                health.Check(health_pb2.HealthCheckRequest(service=service)).status
                == health_pb2.HealthCheckResponse.SERVING
            )
        with pytest.raises(Exception, match="token"):
            ProtoReflectionDescriptorDatabase(channel).get_services()


def test_reflection_lists_the_services(models):
    config = ServerConfig(port=0, models=models, device="torch", grace_s=0.5)
    with EmbeddedServer(config) as server, grpc.insecure_channel(server.address) as channel:
        services = ProtoReflectionDescriptorDatabase(channel).get_services()
    assert {
        "texgen.v1.TextureService",
        "texgen.v1.ModelService",
        "texgen.v1.ServerService",
        "grpc.health.v1.Health",
    } <= set(services)


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


def test_our_bugs_leak_nothing():
    status = status_of(RuntimeError("/secret/path"), "abc123")
    assert "abc123" in status.message
    assert "secret" not in status.message


def test_a_full_queue_says_when_to_come_back(models, card):
    from texgen.recipes.build import make_recipe

    engine = LocalEngine(ServerConfig(models=models, device="torch", max_queue=1))
    recipe = make_recipe(card, [("bark", 1.0)], 1, (1024, 1024))
    with pytest.raises(CapacityError, match="queue is full"):
        for _ in range(4):
            engine.submit("material", MaterialJob(recipe))
    assert status_of(CapacityError("x"), "").details[0].type_url.endswith("RetryInfo")
    engine.close(5.0)


def test_a_cancelled_job_stops_and_the_engine_lives_on(models, card):
    from texgen.recipes.build import make_recipe

    engine = LocalEngine(ServerConfig(models=models, device="torch"))
    recipe = make_recipe(card, [("bark", 1.0)], 1, (64, 64))
    job = MaterialJob(recipe)
    job.token.cancel()
    with pytest.raises(CancelledError):
        engine.submit("material", job).result(20)
    assert engine.submit("material", MaterialJob(recipe)).result(20).maps
    engine.close(5.0)


def test_interactive_goes_first(models, card):
    from texgen.recipes.build import make_recipe
    from texgen_server.engine.jobs import BATCH, INTERACTIVE

    engine = LocalEngine(ServerConfig(models=models, device="torch", jobs=1))
    order = []
    futures = []
    for name, priority in (("first", BATCH), ("batch", BATCH), ("person", INTERACTIVE)):
        job = MaterialJob(make_recipe(card, [("bark", 1.0)], 1, (512, 512)), priority=priority)
        future = engine.submit("material", job)
        future.add_done_callback(lambda _, n=name: order.append(n))
        futures.append(future)
        if name == "first":
            while engine.queue_depth():
                time.sleep(0.001)
    for future in futures:
        future.result(30)
    assert order == ["first", "person", "batch"]
    engine.close(5.0)


def test_a_deadline_ends_the_call(server):
    with Client(server, "secret", deadline_s=0.001) as hurried, pytest.raises(CancelledError):
        hurried.generate("bark", size_px=(2048, 2048))


@pytest.mark.torch
def test_a_server_that_dies_mid_stream_is_told_as_such(models, tmp_path):
    code = (
        f"from texgen.cli import main; main(['serve', '--listen', '127.0.0.1:0', "
        f"'--models', {str(models)!r}, '--device', 'torch'])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        address = process.stdout.readline().split()[4]
        started = threading.Event()
        threading.Thread(target=lambda: (started.wait(20), process.kill()), daemon=True).start()
        with (
            Client(address) as client,
            pytest.raises(ConnectionFailedError, match="nothing was kept"),
        ):
            for _ in range(50):
                client.generate("bark", size_px=(2048, 2048), on_progress=lambda p: started.set())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.torch
def test_sigterm_drains(models):
    import signal

    code = (
        f"from texgen.cli import main; raise SystemExit(main(['serve', '--listen', "
        f"'127.0.0.1:0', '--models', {str(models)!r}, '--device', 'torch']))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        address = process.stdout.readline().split()[4]
        with Client(address) as client:
            results = []
            call = threading.Thread(
                target=lambda: results.append(client.generate("bark", size_px=(1024, 1024)))
            )
            call.start()
            time.sleep(0.1)
            with grpc.insecure_channel(address) as channel:
                watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
                assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
                process.send_signal(signal.SIGTERM)
                assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
                watch.cancel()
                with pytest.raises(grpc.RpcError) as refused:
                    pb_grpc.ServerServiceStub(channel).GetServerInfo(
                        pb.GetServerInfoRequest(), timeout=5
                    )
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
            call.join(30)
        assert process.wait(30) == 0
        assert len(results) == 1, "what runs is finished"
    finally:
        process.kill()
        process.stdout.close()
