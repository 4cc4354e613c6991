# SPDX-License-Identifier: Apache-2.0
"""A gRPC server and client that only stream bytes, without texgen, to compare with.

``python -m texgen_server.bench.bare`` is its server, in a process of its own.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import numpy as np

from texgen.wire.chunks import CHUNK_BYTES

SERVICE, METHOD = "texgen.bench.Bare", "Stream"


@contextmanager
def bare_grpc() -> Iterator[Callable[[int], float]]:
    """Start the server; yields a function that returns the seconds to stream so many bytes into
    memory of their own, as results are received.
    """
    command = [sys.executable, "-m", "texgen_server.bench.bare"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own program
        try:
            assert process.stdout is not None
            with grpc.insecure_channel(process.stdout.readline().strip()) as channel:
                stream: Any = channel.unary_stream(f"/{SERVICE}/{METHOD}")

                def copy_s(size: int) -> float:
                    started, got = time.perf_counter(), 0
                    into = np.empty(size, np.uint8).data
                    for chunk in stream(size.to_bytes(8, "big")):
                        into[got : got + len(chunk)] = chunk
                        got += len(chunk)
                    assert got == size
                    return time.perf_counter() - started

                yield copy_s
        finally:
            process.terminate()


async def _serve() -> None:
    data = bytes(CHUNK_BYTES)

    async def stream(request: bytes, _context: Any) -> AsyncIterator[bytes]:
        size = int.from_bytes(request, "big")
        for at in range(0, size, CHUNK_BYTES):
            yield data[: min(CHUNK_BYTES, size - at)]

    server = grpc.aio.server()
    handlers: dict[str, Any] = {METHOD: grpc.unary_stream_rpc_method_handler(stream)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    sys.stdout.write(f"127.0.0.1:{port}\n")
    sys.stdout.flush()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(_serve())
