# SPDX-License-Identifier: Apache-2.0
"""A server: TLS, limits of messages, health, reflection, start and drain."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from texgen.cli import main
from texgen.client import Client
from texgen.errors import (
    AuthenticationError,
    ConnectionFailedError,
    InvalidRequestError,
)
from texgen.maps import Encoding
from texgen.pb import texgen_pb2 as pb
from texgen.pb import texgen_pb2_grpc as pb_grpc
from texgen_server.config import ServerConfig, load_config
from texgen_server.rpc.server import EmbeddedServer
from texgen_server.tokens import create_token


def test_tls_tokens_and_client_certificates(models, authority, tmp_path):
    """With TLS, a file of tokens and certificates asked of clients: all three or nothing."""
    tokens = tmp_path / "tokens.toml"
    token = create_token(tokens, "studio")
    cert, key = authority["server"]
    config = ServerConfig(
        port=0,
        models=models,
        device="torch",
        grace_s=0.5,
        tokens_file=tokens,
        tls_cert=cert,
        tls_key=key,
        tls_client_ca=authority["ca"],
    )
    with EmbeddedServer(config) as server:
        with Client(server.address, token, authority["ca"], tls_pair=authority["artist"]) as client:
            assert (
                client.generate("bark", seed=1, size_px=(32, 32), encoding=Encoding.RAW).seed == 1
            )
        with (
            Client(
                server.address, "tgt_wrong", authority["ca"], tls_pair=authority["artist"]
            ) as client,
            pytest.raises(AuthenticationError),
        ):
            client.get_model()
        for stranger in (
            Client(server.address, token, authority["ca"]),
            Client(server.address, token),
        ):
            with stranger, pytest.raises(ConnectionFailedError):
                stranger.get_model()


def test_outside_of_loopback_tls_and_a_token_are_a_must(authority, tmp_path, capsys):
    cert, key = map(str, authority["server"])
    for flags, missing in (
        ((), "TLS .* and a token"),
        (("--tls-cert", cert, "--tls-key", key), "a token"),
    ):
        assert main(["serve", "--listen", "0.0.0.0:0", *flags]) == 2
        said = capsys.readouterr().err
        assert "SSH tunnel" in said
        assert re.search(missing, said)
    with pytest.raises(InvalidRequestError, match="its key"):
        load_config(flags={"tls_cert": authority["server"][0]})
    tokens = tmp_path / "tokens.toml"
    create_token(tokens, "studio")
    open_config = load_config(
        flags={
            "host": "0.0.0.0",
            "tls_cert": authority["server"][0],
            "tls_key": authority["server"][1],
            "tokens_file": tokens,
        }
    )
    assert open_config.asks_for_tokens


def test_a_message_beyond_the_limit_is_refused(models):
    config = ServerConfig(
        port=0, models=models, device="torch", grace_s=0.5, max_message_bytes=1 << 20
    )
    with EmbeddedServer(config) as server, grpc.insecure_channel(server.address) as channel:
        large = pb.GenerateMaterialRequest(model="x" * (2 << 20))
        with pytest.raises(grpc.RpcError) as caught:
            list(pb_grpc.TextureServiceStub(channel).GenerateMaterial(large))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "larger than max" in caught.value.details()


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
