# SPDX-License-Identifier: Apache-2.0
"""The client for asyncio gives what the plain one gives, and lets go of what nobody awaits any
more.
"""

from __future__ import annotations

import asyncio
import inspect

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from tests.texgen.wire.test_request_fields import ANYTHING
from texgen import AsyncClient, Client
from texgen.errors import (
    AuthenticationError,
    CancelledError,
    ConnectionFailedError,
    InvalidRequestError,
    TexgenError,
)
from texgen.files.images import decode
from texgen.maps import Encoding, MapKind
from texgen_server.config import ServerConfig
from texgen_server.rpc.server import EmbeddedServer


@pytest.fixture(scope="module")
def server(models):
    with EmbeddedServer(
        ServerConfig(port=0, token="secret", models=models, device="torch", grace_s=0.5)
    ) as running:
        yield running


def test_many_at_once_are_what_the_plain_client_gets(server):
    async def ask():
        async with AsyncClient(server.address, "secret") as client:
            made = await asyncio.gather(
                *(
                    client.generate("bark", seed=s, size_px=(64, 64), encoding=Encoding.RAW)
                    for s in range(6)
                )
            )
            varied = await client.vary(made[0].recipe, 0.5, count=2, seed=1, encoding=Encoding.RAW)
            mixed = await client.mix(
                [(made[0].recipe, 1.0), (made[1].recipe, 1.0)], encoding=Encoding.RAW
            )
            models = await client.list_models()
            return (
                made,
                varied,
                mixed,
                (await client.get_model(models[0].id)).id,
                (await client.server_info()).version,
            )

    made, varied, mixed, model, version = asyncio.run(ask())
    with Client(server.address, "secret") as client:
        for seed, material in enumerate(made):
            same = client.generate("bark", seed=seed, size_px=(64, 64), encoding=Encoding.RAW)
            assert all(same.maps[kind].data == material.maps[kind].data for kind in material.maps)
        again = client.vary(made[0].recipe, 0.5, count=2, seed=1, encoding=Encoding.RAW)
        assert [m.recipe for m in again] == [m.recipe for m in varied]
    assert len(mixed) == 1
    assert model
    assert version


def test_uploads_go_the_same_way(server):
    ramp = (np.add.outer(np.arange(64), np.arange(64)) % 64 * 4).astype(np.uint8)[..., None]

    async def ask():
        async with AsyncClient(server.address, "secret") as client:
            return await client.repair(
                {MapKind.HEIGHT: ramp}, tiling="always", encoding=Encoding.RAW
            )

    made = asyncio.run(ask())
    with Client(server.address, "secret") as client:
        plain = client.repair({MapKind.HEIGHT: ramp}, tiling="always", encoding=Encoding.RAW)
    assert np.array_equal(decode(made.maps[MapKind.HEIGHT]), decode(plain.maps[MapKind.HEIGHT]))


def test_errors_are_ours(server):
    async def ask(token, **options):
        async with AsyncClient(server.address, token) as client:
            await client.generate("bark", **options)

    with pytest.raises(InvalidRequestError, match="chocolate"):
        asyncio.run(ask("secret", controls={"chocolate": 1.0}))
    with pytest.raises(AuthenticationError):
        asyncio.run(ask("wrong"))

    async def nobody():
        async with AsyncClient("127.0.0.1:1") as client:
            await client.get_model()

    with pytest.raises(ConnectionFailedError, match="texgen serve"):
        asyncio.run(nobody())


@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_a_word_that_is_not_known_is_refused_before_anything_is_sent(client):
    async def ask():
        result = client("127.0.0.1:1").generate("bark", sead=3)
        if inspect.isawaitable(result):
            await result

    with pytest.raises(TypeError, match="sead"):
        asyncio.run(ask())


def test_a_cancelled_task_stops_the_servers_work(server):
    async def leave():
        async with AsyncClient(server.address, "secret") as client:
            begun = asyncio.Event()
            task = asyncio.create_task(
                client.generate(
                    "bark",
                    seed=1,
                    size_px=(4096, 4096),
                    controls={"tile_px": 256.0},
                    on_progress=lambda p: begun.set(),
                )
            )
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            for _ in range(500):
                (figures,) = await client.model_statistics("material")
                if figures.failures:
                    return figures
                await asyncio.sleep(0.02)
            return figures

    assert asyncio.run(leave()).failures == 1


def test_a_closed_client_says_so():
    async def call(method, *arguments):
        client = AsyncClient("127.0.0.1:1")
        await client.close()
        await getattr(client, method)(*arguments)

    for method, *arguments in (("generate", "bark"), ("list_models",)):
        with pytest.raises(ConnectionFailedError, match="closed"):
            asyncio.run(call(method, *arguments))


def test_closing_ends_the_calls_in_flight(server):
    async def leave():
        client = AsyncClient(server.address, "secret")
        begun = asyncio.Event()
        task = asyncio.create_task(
            client.generate("bark", seed=2, size_px=(4096, 4096), on_progress=lambda p: begun.set())
        )
        await begun.wait()
        await client.close()
        await task

    with pytest.raises(CancelledError):
        asyncio.run(leave())


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(value=ANYTHING)
def test_nothing_but_our_errors_escapes(value):
    async def call():
        async with AsyncClient("127.0.0.1:1", retry=False) as client:
            for work in (
                client.generate(value),
                client.mix(value, value),
                client.capture(value),
                client.repair(value, fill=value),
                client.get_model(value),
            ):
                with pytest.raises(TexgenError):
                    await work

    asyncio.run(call())
