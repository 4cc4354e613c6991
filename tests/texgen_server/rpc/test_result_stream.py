# SPDX-License-Identifier: Apache-2.0
"""The results of a call."""

from __future__ import annotations

import time

import grpc

from texgen.client import Client
from texgen.maps import Encoding
from texgen.pb import texgen_pb2 as pb
from texgen.pb import texgen_pb2_grpc as pb_grpc
from texgen_server.config import ServerConfig
from texgen_server.rpc.server import EmbeddedServer


def test_failures_are_counted_by_the_result(models):
    """A call for several results that its client leaves: those that were begun and not delivered
    count, and no others.
    """
    with (
        EmbeddedServer(ServerConfig(port=0, models=models, device="torch", grace_s=0.5)) as server,
        Client(server.address) as client,
    ):
        recipe = client.generate("bark", seed=1, size_px=(256, 256), encoding=Encoding.RAW).recipe
        with grpc.insecure_channel(server.address) as channel:
            events = pb_grpc.TextureServiceStub(channel).VaryMaterial(
                pb.VaryMaterialRequest(recipe=recipe, amount=0.5, count=6)
            )
            while not next(events).HasField("summary"):
                pass
            events.cancel()
        until = time.monotonic() + 10
        while (
            not (figures := client.model_statistics("material")[0]).failures
            and time.monotonic() < until
        ):
            time.sleep(0.02)
        assert 1 <= figures.failures <= 2
        assert figures.results in (2, 3)
