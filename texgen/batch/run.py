# SPDX-License-Identifier: Apache-2.0
"""Items -> files, several requests in flight.

A set is there whole or not at all; what fails is told and the rest goes on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from texgen.batch.lock import Locked, difference, locked
from texgen.batch.spec import Item
from texgen.batch.state import Folder, with_request
from texgen.errors import CapacityError, ConnectionFailedError, TexgenError
from texgen.files.material import material_contents, sealed, write_files
from texgen.maps import Encoding, Material
from texgen.provenance.watermark import watermarked
from texgen.render.preview import lit_tiled_png

if TYPE_CHECKING:
    from texgen.provenance.signing import Signer

TRIES = 4
RETRY_S = 1.0
"""Before the second try; each further one waits twice as long."""


@dataclass
class Outcome:
    """What became of one set."""

    stem: str
    line: int
    status: str
    """``made``, ``up to date``, ``failed`` or ``not begun``."""
    why: str = ""
    seconds: float = 0.0
    tries: int = 0
    recipe: str = ""
    files: list[str] = field(default_factory=list)
    tileability: Mapping[str, float] = field(default_factory=dict)
    sweep: Mapping[str, float] = field(default_factory=dict)
    """Values of the controls that are swept: what the number of a variant stands for."""
    entry: Locked | None = None


@dataclass(frozen=True)
class Batch:
    """How to make sets."""

    client: Any
    """A `Client`; its calls are made from several threads."""
    folder: Folder
    jobs: int
    digests: Mapping[str, str]
    """Stem -> what was asked for (`request_digest`)."""
    lock: Mapping[str, Locked] = field(default_factory=dict)
    """Sets that must come out as they are here."""
    locking: bool = False
    """Whether entries for a lock are wanted."""
    signer: Signer | None = None
    stopping: threading.Event = field(default_factory=threading.Event)

    def run(self, items: Sequence[Item]) -> Iterator[Outcome]:
        """The outcome of each item, as they come."""
        todo = iter(items)
        with ThreadPoolExecutor(self.jobs, "texgen-batch") as pool:
            running: set[Future[Outcome]] = set()
            try:
                for item in todo:
                    running.add(pool.submit(self._one, item))
                    if len(running) >= self.jobs:
                        done, running = wait(running, return_when=FIRST_COMPLETED)
                        yield from (future.result() for future in done)
                yield from (future.result() for future in running)
            except KeyboardInterrupt:  # those in flight are made to their end, and told
                self.stopping.set()
                yield from (future.result() for future in running)
                raise
            finally:
                self.stopping.set()

    def _one(self, item: Item) -> Outcome:
        started = time.monotonic()
        outcome = Outcome(item.stem, item.line, "failed", sweep=item.sweep)
        try:
            material = self._made(item, outcome)
            if item.watermark:
                material = watermarked(material)
            self._keep(item, material, outcome)
            outcome.status = "made"
        except TexgenError as error:
            outcome.why = f"{type(error).__name__}: {error}"
        outcome.seconds = round(time.monotonic() - started, 3)
        return outcome

    def _made(self, item: Item, outcome: Outcome) -> Material:
        encoding = Encoding.RAW if item.preset else Encoding.PNG
        request = dict(item.request)
        if item.stem in self.lock:
            request = {k: v for k, v in request.items() if k in ("size_px", "model")} | {
                "recipe": self.lock[item.stem].recipe
            }
        return asked(
            self.client, {**request, "encoding": encoding, "batch": True}, self.stopping, outcome
        )

    def _keep(self, item: Item, material: Material, outcome: Outcome) -> None:
        """Write the set, its sidecar last: only then it counts as there.

        Raises OutputError, InvalidRequestError.
        """
        contents, about = material_contents(material, item.stem, item.preset)
        if item.preview:
            contents = {f"{item.stem}_preview.png": lit_tiled_png(material), **contents}
        if self.locking:
            outcome.entry = locked(material, self.digests[item.stem], contents)
            known = self.lock.get(item.stem)
            if known is not None and (why := difference(outcome.entry, known)):
                raise TexgenError(f"not what the lock says: {why}")
        made = sealed(
            contents, with_request(about, self.digests[item.stem]), item.stem, self.signer
        )
        self.folder.begin(item.stem)
        write_files(made, self.folder.path, force=True)
        outcome.recipe, outcome.files = material.recipe, list(made)
        outcome.tileability = {str(k): v for k, v in material.tileability.items()}


def asked(
    client: Any,
    request: Mapping[str, Any],
    stopping: threading.Event | None = None,
    outcome: Outcome | None = None,
) -> Material:
    """A material from the server, asked for again where that may help: it was full, or away.
    ``outcome`` counts the tries.

    Raises TexgenError; the last one after `TRIES`, or once ``stopping`` is set.
    """
    pause = stopping or threading.Event()
    attempt = 0
    while True:
        attempt += 1
        if outcome is not None:
            outcome.tries = attempt
        try:
            return client.generate(**request)  # type: ignore[no-any-return]
        except (CapacityError, ConnectionFailedError):
            if attempt >= TRIES or pause.wait(RETRY_S * 2.0 ** (attempt - 1)):
                raise
