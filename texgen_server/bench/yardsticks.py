# SPDX-License-Identifier: Apache-2.0
"""Yardsticks of the server's bench: a server in a process of its own, a timed network, a bare
socket, the engine alone.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from texgen.modelcard import ModelCard
from texgen.recipes.build import make_recipe
from texgen.wire.chunks import CHUNK_BYTES
from texgen_server.backend import Array, Backend
from texgen_server.engine.jobs import MaterialJob
from texgen_server.engine.local import LocalEngine


@contextmanager
def served(models: Path | None, graphs: Path, *flags: str, cache: Path) -> Iterator[str]:
    """Run a server in a process of its own and yield its address; it shares the user's compiled
    graphs, not the user's results.
    """
    link = cache / "graphs"
    if not link.exists():
        graphs.mkdir(parents=True, exist_ok=True)
        link.symlink_to(graphs, target_is_directory=True)
    chosen = ["--models", str(models)] if models else []
    command = [sys.executable, "-m", "texgen", "serve", "--listen", "127.0.0.1:0", *chosen, *flags]
    environment = {"TEXGEN_CACHE": str(cache)}
    with subprocess.Popen(  # noqa: S603 - our own program
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=_inherited() | environment,
    ) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split()[4]
        finally:
            process.terminate()


def _inherited() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith("TEXGEN_")}


class Timed:
    """A `Backend` that adds up the seconds that its networks take."""

    def __init__(self, backend: Backend) -> None:
        self.name, self.threads, self.backend, self.spent_s = (
            backend.name,
            backend.threads,
            backend,
            0.0,
        )

    def run(self, part: str, inputs: list[Array], *, reuse_outputs: bool = False) -> list[Array]:
        started = time.perf_counter()
        result = self.backend.run(part, inputs, reuse_outputs=reuse_outputs)
        self.spent_s += time.perf_counter() - started
        return result

    def close(self) -> None:
        self.backend.close()


def socket_copy_s(size: int, *, keep: bool) -> float:
    """Return the seconds to send so many bytes over loopback: into memory of their own, as results
    are received, or always into the same buffer.
    """
    data = bytes(CHUNK_BYTES)
    listener = socket.create_server(("127.0.0.1", 0))

    def send() -> None:
        with listener.accept()[0] as sender:
            for at in range(0, size, CHUNK_BYTES):
                sender.sendall(data[: min(CHUNK_BYTES, size - at)])

    thread = threading.Thread(target=send)
    thread.start()
    with socket.create_connection(listener.getsockname()) as receiver:
        started, got = time.perf_counter(), 0
        into = memoryview(bytearray(size if keep else CHUNK_BYTES))
        while count := receiver.recv_into(into[got:] if keep and got < size else into):
            got += count
        spent = time.perf_counter() - started
    thread.join()
    listener.close()
    assert got == size
    return spent


def engine_rate(
    engine: LocalEngine, card: ModelCard, size_px: int, in_flight: int, seeds: range
) -> float:
    """Return the sets a second of an engine for recipes of these seeds, ``in_flight`` at a time."""
    started = time.perf_counter()
    pending = []
    for seed in seeds:
        pending.append(
            engine.submit(
                "material",
                MaterialJob(
                    make_recipe(card, [(card.classes[0].name, 1.0)], seed, (size_px, size_px))
                ),
            )
        )
        if len(pending) >= in_flight:
            pending.pop(0).result()
    for future in pending:
        future.result()
    return len(seeds) / (time.perf_counter() - started)
