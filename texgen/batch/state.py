# SPDX-License-Identifier: Apache-2.0
"""What of a batch is there already: each set's sidecar says what was asked for and which files came
of it; a journal, what was begun.
"""

from __future__ import annotations

import hashlib
import json
import threading
from enum import StrEnum
from pathlib import Path
from typing import Any

from texgen.batch.spec import Item
from texgen.errors import OutputError
from texgen.export.preset import load_preset
from texgen.files.material import check_output

JOURNAL = ".texgen_batch.jsonl"


class Status(StrEnum):
    """Of a set in the folder."""

    MISSING = "missing"
    READY = "up to date"
    BEGUN = "begun"
    """A run was ended while it was written."""
    STALE = "out of date"
    """Made by a batch, of another request or model, unsigned, or its files were changed in length
    or removed.
    """
    UNLOCKED = "not in the lock"
    """Up to date, but a lock wants its hashes: it is made once more, the same."""
    FOREIGN = "in the way"
    """Files of that name that no batch made."""


def request_digest(item: Item, model_digest: str) -> str:
    """Names the result: everything that was asked for, and the model that makes it."""
    asked = {
        "request": item.request,
        "preset": repr(load_preset(item.preset)) if item.preset else "",
        "preview": item.preview,
    }
    asked |= {"watermark": True} if item.watermark else {}
    text = json.dumps(asked | {"model": model_digest}, sort_keys=True, default=list)
    return hashlib.sha256(text.encode()).hexdigest()


class Folder:
    """The folder that a batch fills. Safe to use from any thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._begun = self._read_journal()

    def status(self, item: Item, digest: str, *, signed: bool = False) -> Status:
        """Of one set; ``signed``: only a signed one will do."""
        try:
            about = json.loads((self.path / f"{item.stem}.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return Status.BEGUN if item.stem in self._begun else Status.MISSING
        except (OSError, ValueError):
            return Status.FOREIGN
        made = about.get("batch") if isinstance(about, dict) else None
        if not isinstance(made, dict):
            return Status.BEGUN if item.stem in self._begun else Status.FOREIGN
        whole = all(self._size(name) == size for name, size in about.get("bytes", {}).items())
        ready = made.get("request") == digest and whole and (not signed or "signed_by" in about)
        return Status.READY if ready else Status.STALE

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
        """All is written: the journal goes."""
        (self.path / JOURNAL).unlink(missing_ok=True)

    def prepare(self) -> None:
        """Before the first set: remove what an ended run left half written.

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


def with_request(about: dict[str, Any], digest: str) -> dict[str, Any]:
    """A sidecar that says which request it answers."""
    return about | {"batch": {"request": digest}}
