# SPDX-License-Identifier: Apache-2.0
"""The state of a batch's folder: a set's sidecar names its request and files; a journal names the
sets that were begun.
"""

from __future__ import annotations

import hashlib
import json
import threading
from enum import StrEnum
from pathlib import Path

from texgen.batch.item import Item
from texgen.errors import OutputError
from texgen.export.preset import load_preset
from texgen.files.document import JsonObject, Sidecar
from texgen.files.material import check_output

JOURNAL = ".texgen_batch.jsonl"


class Status(StrEnum):
    """The status of a set in the folder."""

    MISSING = "missing"
    READY = "up to date"
    BEGUN = "begun"
    """A run ended while the set was being written."""
    STALE = "out of date"
    """A batch wrote it for another request or model, or unsigned, or its files changed in length or
    were removed.
    """
    UNLOCKED = "not in the lock"
    """Up to date, but the lock has no hashes of it: it is generated again, the same."""
    FOREIGN = "in the way"
    """Files of that name exist that no batch wrote."""


def request_digest(item: Item, model_digest: str) -> str:
    """Return a digest of everything that determines the result: the request and its model."""
    request: JsonObject = {
        "request": item.request,
        "preset": repr(load_preset(item.preset)) if item.preset else "",
        "preview": item.preview,
    }
    request |= {"watermark": True} if item.watermark else {}
    text = json.dumps(request | {"model": model_digest}, sort_keys=True, default=list)
    return hashlib.sha256(text.encode()).hexdigest()


class BatchFolder:
    """The folder that a batch fills. Safe to use from any thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._begun = self._read_journal()

    def status(self, item: Item, digest: str, *, signed: bool = False) -> Status:
        """Return the status of one set; ``signed`` requires a signature."""
        try:
            sidecar = json.loads((self.path / f"{item.stem}.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return Status.BEGUN if item.stem in self._begun else Status.MISSING
        except (OSError, ValueError):
            return Status.FOREIGN
        entry = sidecar.get("batch") if isinstance(sidecar, dict) else None
        if not isinstance(entry, dict):
            return Status.BEGUN if item.stem in self._begun else Status.FOREIGN
        complete = all(self._size(name) == size for name, size in sidecar.get("bytes", {}).items())
        right = entry.get("request") == digest and (not signed or "signed_by" in sidecar)
        return Status.READY if right and complete else Status.STALE

    def begin(self, stem: str) -> None:
        """Note a set in the journal before its first file is written. Raises OutputError."""
        line = json.dumps({"begun": stem}) + "\n"
        try:
            with self._lock, (self.path / JOURNAL).open("a", encoding="utf-8") as journal:
                journal.write(line)
        except OSError as error:
            raise OutputError(f"cannot write to {self.path}: {error.strerror}") from error
        self._begun.add(stem)

    def end(self) -> None:
        """Remove the journal, as all sets are written."""
        (self.path / JOURNAL).unlink(missing_ok=True)

    def prepare(self) -> None:
        """Remove files that an ended run left half written.

        Raises OutputError where nothing can be written.
        """
        check_output(self.path, [], force=True)
        for partial in self.path.glob(".*.partial") if self._begun else ():
            partial.unlink(missing_ok=True)

    def _size(self, name: str) -> int:
        try:
            return (self.path / name).stat().st_size
        except OSError:
            return -1

    def _read_journal(self) -> set[str]:
        try:
            lines = (self.path / JOURNAL).read_text(encoding="utf-8").splitlines()
        except OSError:
            return set()
        begun = set()
        for line in lines:
            try:
                begun.add(str(json.loads(line)["begun"]))
            except (ValueError, KeyError, TypeError):
                continue  # the last line of a run that was killed
        return begun


def with_request(sidecar: Sidecar, digest: str) -> Sidecar:
    """Return a sidecar with the digest of its request."""
    return sidecar | {"batch": {"request": digest}}
