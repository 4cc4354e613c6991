# SPDX-License-Identifier: Apache-2.0
"""Generates the items of a batch, several requests in flight.

A set is written completely or not at all; after a failure the rest goes on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from texgen.batch.item import Item, ItemRequest
from texgen.batch.lock import LockEntry, difference, lock_entry
from texgen.batch.state import BatchFolder, with_request
from texgen.errors import CapacityError, ConnectionFailedError, TexgenError
from texgen.files.material import material_contents, sealed_contents, write_files
from texgen.maps import Encoding, Material
from texgen.provenance.signing import Signer
from texgen.provenance.watermark import with_watermark
from texgen.render.preview import lit_tiled_png

if TYPE_CHECKING:
    from texgen.client import Client

MAX_TRIES = 4
RETRY_S = 1.0
"""Seconds before the second try; each further pause is twice as long."""


@dataclass
class Outcome:
    """The outcome of one set."""

    stem: str
    line: int
    status: str
    """``made``, ``up to date``, ``failed`` or ``not begun``."""
    why: str = ""
    """Reason of a failure."""
    seconds: float = 0.0
    tries: int = 0
    recipe: str = ""
    files: list[str] = field(default_factory=list)
    tileability: Mapping[str, float] = field(default_factory=dict)
    sweep: Mapping[str, float] = field(default_factory=dict)
    """Values of the controls that are swept, which explain the number of a variant."""
    entry: LockEntry | None = None


@dataclass(frozen=True)
class Batch:
    """A run over the items of a spec."""

    client: Client
    """Its calls are made from several threads."""
    folder: BatchFolder
    jobs: int
    """Requests in flight."""
    digests: Mapping[str, str]
    """Digests of the requests by stem (`texgen.batch.state.request_digest`)."""
    lock: Mapping[str, LockEntry] = field(default_factory=dict)
    """Entries by stem; a set must come out as its entry says."""
    locking: bool = False
    """True when the outcomes must have entries for a lock."""
    signer: Signer | None = None
    stopping: threading.Event = field(default_factory=threading.Event)

    def run(self, items: Sequence[Item]) -> Iterator[Outcome]:
        """Yield the outcome of each item, in the order in which they finish."""
        with ThreadPoolExecutor(self.jobs, "texgen-batch") as pool:
            running: set[Future[Outcome]] = set()
            try:
                for item in items:
                    running.add(pool.submit(self._run_item, item))
                    if len(running) >= self.jobs:
                        done, running = wait(running, return_when=FIRST_COMPLETED)
                        yield from (future.result() for future in done)
                yield from (future.result() for future in running)
            except KeyboardInterrupt:  # the requests in flight are finished and reported
                self.stopping.set()
                yield from (future.result() for future in running)
                raise
            finally:
                self.stopping.set()

    def _run_item(self, item: Item) -> Outcome:
        started = time.monotonic()
        outcome = Outcome(item.stem, item.line, "failed", sweep=item.sweep)
        try:
            material = self._generate(item, outcome)
            if item.watermark:
                material = with_watermark(material)
            self._write(item, material, outcome)
            outcome.status = "made"
        except TexgenError as error:
            outcome.why = f"{type(error).__name__}: {error}"
        outcome.seconds = round(time.monotonic() - started, 3)
        return outcome

    def _generate(self, item: Item, outcome: Outcome) -> Material:
        encoding = Encoding.RAW if item.preset else Encoding.PNG
        request = item.request
        if item.stem in self.lock:
            request = _with_recipe(request, self.lock[item.stem].recipe)
        return generate_with_retries(
            self.client, request, encoding=encoding, stopping=self.stopping, outcome=outcome
        )

    def _write(self, item: Item, material: Material, outcome: Outcome) -> None:
        """Write the set, its sidecar last: from then on the set counts as ready.

        Raises OutputError, InvalidRequestError.
        """
        contents, sidecar = material_contents(material, item.stem, item.preset)
        if item.preview:
            contents = {f"{item.stem}_preview.png": lit_tiled_png(material), **contents}
        digest = self.digests[item.stem]
        if self.locking:
            outcome.entry = lock_entry(material, digest, contents)
            known = self.lock.get(item.stem)
            if known is not None and (why := difference(outcome.entry, known)):
                raise TexgenError(f"not what the lock says: {why}")
        files = sealed_contents(contents, with_request(sidecar, digest), item.stem, self.signer)
        self.folder.begin(item.stem)
        write_files(files, self.folder.path, force=True)
        outcome.recipe, outcome.files = material.recipe, list(files)
        outcome.tileability = {str(k): v for k, v in material.tileability.items()}


def _with_recipe(request: ItemRequest, recipe: str) -> ItemRequest:
    """Return a request for a recipe with the size and the model of another request."""
    changed: ItemRequest = {"recipe": recipe}
    if "size_px" in request:
        changed["size_px"] = request["size_px"]
    if "model" in request:
        changed["model"] = request["model"]
    return changed


def generate_with_retries(
    client: Client,
    request: ItemRequest,
    *,
    encoding: Encoding,
    stopping: threading.Event | None = None,
    outcome: Outcome | None = None,
) -> Material:
    """Generate a material, again where the server was full or away.

    ``outcome`` counts the tries. Raises TexgenError; the last one after `MAX_TRIES`, or once
    ``stopping`` is set.
    """
    pause = stopping or threading.Event()
    attempt = 0
    while True:
        attempt += 1
        if outcome is not None:
            outcome.tries = attempt
        try:
            return client.generate(**request, encoding=encoding, batch=True)
        except (CapacityError, ConnectionFailedError):
            if attempt >= MAX_TRIES or pause.wait(RETRY_S * 2.0 ** (attempt - 1)):
                raise
