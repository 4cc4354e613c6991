# SPDX-License-Identifier: Apache-2.0
"""A cache of results on disk, by key: a file for each, and an SQLite index (WAL) that several
servers may share.

A result is a small header (opaque here) and its packed maps. A file is written under a temporary
name and renamed before the index has its entry, so a crash leaves at worst files without an entry,
which the next start deletes. Reads are checked against a CRC-32 (SHA-256 would take longer than
sending; clients get that one too): a damaged entry is dropped, not served.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import struct
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np
from isal import isal_zlib

log = logging.getLogger("texgen.cache")

SCHEMA = """
CREATE TABLE IF NOT EXISTS results (
  key TEXT PRIMARY KEY, header BLOB NOT NULL, parts BLOB NOT NULL,
  bytes INTEGER NOT NULL, used REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS results_by_use ON results (used);
CREATE TABLE IF NOT EXISTS total (bytes INTEGER NOT NULL);
INSERT INTO total SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM total);
CREATE TRIGGER IF NOT EXISTS result_added AFTER INSERT ON results
BEGIN UPDATE total SET bytes = bytes + NEW.bytes; END;
CREATE TRIGGER IF NOT EXISTS result_gone AFTER DELETE ON results
BEGIN UPDATE total SET bytes = bytes - OLD.bytes; END;
"""
"""SQL of the index. The total is stored, as adding up thousands of results with every new one takes
milliseconds.
"""
VERSION = 2
"""Version of the schema. An index of another version is emptied; the sweep deletes its files."""
PART = struct.Struct("<QI")
"""Layout of the length and CRC-32 of a part in the index."""
BUSY_S = 10.0
READERS = 4
"""Parts of one result that are read at the same time."""
ORPHAN_S = 3600.0
"""Age in seconds from which on a file without an entry is an orphan; a younger one may be one that
another server is about to enter.
"""


@dataclass(frozen=True)
class CachedResult:
    """A result from the cache: the bytes that were put in."""

    header: bytes
    parts: Sequence[bytes | memoryview]


def open_cache(folder: Path, max_bytes: int) -> ResultCache | None:
    """Open the cache in a folder; None where it is switched off (0 bytes) or the folder cannot be
    written to: then the server logs a warning and works without it.
    """
    if not max_bytes:
        return None
    try:
        return ResultCache(folder, max_bytes)
    except (OSError, sqlite3.Error) as error:
        log.warning(
            "no results will be kept: the cache %s cannot be written to (%s)", folder, error
        )
        return None


class ResultCache:
    """A cache of at most ``max_bytes`` of files in a folder; the least recently used ones leave
    first. Safe to use from any thread.

    Raises OSError, sqlite3.Error where the folder cannot be written to.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._files, self._max_bytes = folder / "files", max_bytes
        self._files.mkdir(parents=True, exist_ok=True)
        self._index = folder / "index.sqlite"
        self._lock = threading.Lock()
        self._readers = ThreadPoolExecutor(READERS, "texgen-cache")
        self.hits = self.misses = 0
        self._own = threading.local()
        self._connections: list[sqlite3.Connection] = []
        weakref.finalize(self, _close_all, self._connections)
        self._sweep()

    def get(self, key: str) -> CachedResult | None:
        """Return the result of a key; None where it is missing or damaged.

        An index that cannot be read is logged, and counts as empty.
        """
        try:
            found = self._found(key)
        except (OSError, sqlite3.Error) as error:
            log.warning("the cache cannot be read: %s", error)
            found = None
        with self._lock:
            self.hits, self.misses = self.hits + (found is not None), self.misses + (found is None)
        return found

    def _found(self, key: str) -> CachedResult | None:
        with self._database() as database:
            row = database.execute(
                "SELECT header, parts FROM results WHERE key = ?", (key,)
            ).fetchone()
        if not row:
            return None
        parts = self._read(key, list(PART.iter_unpack(row[1])))
        if parts is None:
            log.warning("the cached result %s is damaged; dropped", key[:16])
            self._drop(key)
            return None
        self._touch(key)
        return CachedResult(row[0], parts)

    def _touch(self, key: str) -> None:
        """Note the time of use. On a full disk this fails silently: the result itself is good."""
        with contextlib.suppress(sqlite3.Error), self._database() as database:
            database.execute("UPDATE results SET used = ? WHERE key = ?", (time.time(), key))

    def put(self, key: str, header: bytes, parts: Sequence[bytes | memoryview]) -> None:
        """Store a result. A full disk or a locked index loses the entry, never the request: it is
        logged.
        """
        try:
            self._write(key, parts)
            described = b"".join(PART.pack(len(part), isal_zlib.crc32(part)) for part in parts)
            with self._database() as database:
                database.execute("DELETE FROM results WHERE key = ?", (key,))
                row = (key, header, described, sum(map(len, parts)), time.time())
                database.execute("INSERT INTO results VALUES (?, ?, ?, ?, ?)", row)
            self._shrink()
        except (OSError, sqlite3.Error) as error:
            log.warning("a result was not cached: %s", error)

    def bytes_used(self) -> int:
        """Return the bytes of all results in the index; 0 where it cannot be read."""
        try:
            with self._database() as database:
                return int(database.execute("SELECT bytes FROM total").fetchone()[0])
        except sqlite3.Error:
            return 0

    @contextlib.contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        """Open a transaction on this thread's connection, which is made anew after an error, and
        when the index file has been replaced.
        """
        place = self._index.stat().st_ino if self._index.exists() else 0
        if getattr(self._own, "place", None) != place:
            self._disconnect()
            self._own.connection = self._connect()
            self._own.place = self._index.stat().st_ino
        try:
            with self._own.connection as connection:
                yield connection
        except sqlite3.Error:
            self._disconnect()
            raise

    def _disconnect(self) -> None:
        """Close this thread's connection, if it has one."""
        connection: sqlite3.Connection | None = getattr(self._own, "connection", None)
        self._own.connection = self._own.place = None
        if connection is not None:
            with self._lock:
                self._connections.remove(connection)
            connection.close()

    def _connect(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._index, timeout=BUSY_S, check_same_thread=False)
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")
            _empty_other_versions(database)
            database.executescript(SCHEMA)
        except sqlite3.Error:
            database.close()
            raise
        with self._lock:
            self._connections.append(database)
        return database

    def _path(self, key: str) -> Path:
        return self._files / key[:2] / key

    def _read(self, key: str, described: list[tuple[int, int]]) -> list[memoryview] | None:
        """Read the parts of a result into memory of their own; None where one is damaged."""
        places = [
            (end - length, length, crc32)
            for end, (length, crc32) in zip(
                accumulate(d[0] for d in described), described, strict=True
            )
        ]
        try:
            parts = list(
                self._readers.map(lambda place: _read_part(self._path(key), *place), places)
            )
        except OSError:
            return None
        whole = [part for part in parts if part is not None]
        return whole if len(whole) == len(parts) else None

    def _write(self, key: str, parts: Sequence[bytes | memoryview]) -> None:
        path = self._path(key)
        path.parent.mkdir(exist_ok=True)
        partial = path.with_name(f"{key}.{os.getpid()}.{threading.get_ident()}.partial")
        try:
            with partial.open("wb") as file:
                file.writelines(parts)
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise

    def _shrink(self) -> None:
        """Drop the least recently used results until the rest fits."""
        while self.bytes_used() > self._max_bytes:
            with self._database() as database:
                oldest = database.execute(
                    "SELECT key FROM results ORDER BY used LIMIT 1"
                ).fetchone()
            if oldest is None:
                return
            self._drop(oldest[0])

    def _drop(self, key: str) -> None:
        """Forget a result, then delete its file."""
        with self._database() as database:
            database.execute("DELETE FROM results WHERE key = ?", (key,))
        self._path(key).unlink(missing_ok=True)

    def _sweep(self) -> None:
        """Delete files without an entry, left by a crash."""
        with self._database() as database:
            known = {r[0] for r in database.execute("SELECT key FROM results")}
        for path in self._files.glob("*/*"):
            try:
                if path.name not in known and time.time() - path.stat().st_mtime > ORPHAN_S:
                    path.unlink()
            except OSError:  # another server was faster
                continue


def _read_part(path: Path, offset: int, length: int, crc32: int) -> memoryview | None:
    """Read ``length`` bytes of a file; None if their CRC-32 is another. Raises OSError."""
    data = np.empty(length, np.uint8).data  # numpy's memory comes in huge pages
    with path.open("rb", buffering=0) as file:
        file.seek(offset)
        return data if file.readinto(data) == length and isal_zlib.crc32(data) == crc32 else None


def _empty_other_versions(database: sqlite3.Connection) -> None:
    """Drop the tables of an index that another version of texgen wrote; of several servers the
    first one does it.
    """
    if database.execute("PRAGMA user_version").fetchone()[0] == VERSION:
        return
    database.execute("BEGIN IMMEDIATE")
    if database.execute("PRAGMA user_version").fetchone()[0] != VERSION:
        for table in ("results", "files", "parts", "total"):
            database.execute(f"DROP TABLE IF EXISTS {table}")
        database.execute(f"PRAGMA user_version = {VERSION}")
    database.commit()


def _close_all(connections: list[sqlite3.Connection]) -> None:
    for connection in connections:
        connection.close()
