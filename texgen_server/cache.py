# SPDX-License-Identifier: Apache-2.0
"""Results on disk, by what names them: files by their own SHA-256, and an SQLite index (WAL) that several servers may share.

A result is a small header (opaque here) and its packed maps. Files are written under temporary names and renamed before the index knows them, so
a crash leaves files without an entry at worst, which the next start sweeps away. What is read is hashed: a damaged entry is dropped, not served.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

log = logging.getLogger("texgen.cache")

SCHEMA = """
CREATE TABLE IF NOT EXISTS results (key TEXT PRIMARY KEY, header BLOB NOT NULL, used REAL NOT NULL);
CREATE TABLE IF NOT EXISTS files (sha256 TEXT PRIMARY KEY, bytes INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS parts (key TEXT NOT NULL, place INTEGER NOT NULL, sha256 TEXT NOT NULL, PRIMARY KEY (key, place));
CREATE INDEX IF NOT EXISTS parts_by_file ON parts (sha256);
CREATE TABLE IF NOT EXISTS total (bytes INTEGER NOT NULL);
INSERT INTO total SELECT COALESCE(SUM(bytes), 0) FROM files WHERE NOT EXISTS (SELECT 1 FROM total);
CREATE TRIGGER IF NOT EXISTS file_added AFTER INSERT ON files BEGIN UPDATE total SET bytes = bytes + NEW.bytes; END;
CREATE TRIGGER IF NOT EXISTS file_gone AFTER DELETE ON files BEGIN UPDATE total SET bytes = bytes - OLD.bytes; END;
"""
"""The total is kept, as adding up thousands of files with every result takes milliseconds."""
BUSY_S = 10.0
READERS = 4
"""Files of one result that are read and hashed at a time."""
ORPHAN_S = 3600.0
"""A file without an entry may be one that another server is about to enter, unless it is older than this."""


@dataclass(frozen=True)
class CachedResult:
    """What was put in: the same bytes."""

    header: bytes
    parts: Sequence[bytes | memoryview]


def open_cache(folder: Path, max_bytes: int) -> ResultCache | None:
    """The cache in a folder; None where it is not wanted (0 bytes) or cannot be written to: then a server does without, and says so."""
    if not max_bytes:
        return None
    try:
        return ResultCache(folder, max_bytes)
    except (OSError, sqlite3.Error) as error:
        log.warning("no results will be kept: the cache %s cannot be written to (%s)", folder, error)
        return None


class ResultCache:
    """At most ``max_bytes`` of files in a folder, the least recently used ones leave first. Safe to use from any thread.

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
        """The result of that key, if it is here whole. An index that cannot be read is logged, and has nothing."""
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
            row = database.execute("SELECT header FROM results WHERE key = ?", (key,)).fetchone()
            hashes = [r[0] for r in database.execute("SELECT sha256 FROM parts WHERE key = ? ORDER BY place", (key,))]
        if not row:
            return None
        parts = list(self._readers.map(self._read, hashes))
        whole = [part for part in parts if part is not None]
        if len(whole) < len(parts):
            log.warning("the cached result %s is damaged; dropped", key[:16])
            self._drop([key])
            return None
        self._touch(key)
        return CachedResult(bytes(row[0]), whole)

    def _touch(self, key: str) -> None:
        """Used now. Where the disk is full that is not noted, and the result as good as ever."""
        with contextlib.suppress(sqlite3.Error), self._database() as database:
            database.execute("UPDATE results SET used = ? WHERE key = ?", (time.time(), key))

    def put(self, key: str, header: bytes, parts: Sequence[bytes | memoryview], hashes: Sequence[str] = ()) -> None:
        """Keep a result; ``hashes`` are the SHA-256 of its parts where they are known, in hex.

        A full disk or a locked index loses the entry, never the request: it is logged.
        """
        try:
            hashes = hashes or [hashlib.sha256(part).hexdigest() for part in parts]
            for sha256, part in zip(hashes, parts, strict=True):
                self._write(sha256, part)
            with self._database() as database:
                database.execute("INSERT OR REPLACE INTO results VALUES (?, ?, ?)", (key, header, time.time()))
                database.execute("DELETE FROM parts WHERE key = ?", (key,))
                for place, (sha256, part) in enumerate(zip(hashes, parts, strict=True)):
                    database.execute("INSERT OR IGNORE INTO files VALUES (?, ?)", (sha256, len(part)))
                    database.execute("INSERT INTO parts VALUES (?, ?, ?)", (key, place, sha256))
            self._shrink()
        except (OSError, sqlite3.Error) as error:
            log.warning("a result was not cached: %s", error)

    def bytes_used(self) -> int:
        """Of all files in the index; 0 where it cannot be read."""
        try:
            with self._database() as database:
                return int(database.execute("SELECT bytes FROM total").fetchone()[0])
        except sqlite3.Error:
            return 0

    @contextlib.contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        """A transaction on this thread's connection, which is opened anew after an error, and where the index is another file by now."""
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
            database.executescript(SCHEMA)
        except sqlite3.Error:
            database.close()
            raise
        with self._lock:
            self._connections.append(database)
        return database

    def _path(self, sha256: str) -> Path:
        return self._files / sha256[:2] / sha256

    def _read(self, sha256: str) -> memoryview | None:
        try:
            with self._path(sha256).open("rb", buffering=0) as file:
                data = np.empty(os.fstat(file.fileno()).st_size, np.uint8).data  # numpy's memory comes in huge pages
                if file.readinto(data) != len(data):
                    return None
        except OSError:
            return None
        return data if hashlib.sha256(data).hexdigest() == sha256 else None

    def _write(self, sha256: str, data: bytes | memoryview) -> None:
        path = self._path(sha256)
        if self._read(sha256) is None:
            path.parent.mkdir(exist_ok=True)
            partial = path.with_name(f"{sha256}.{os.getpid()}.{threading.get_ident()}.partial")
            try:
                partial.write_bytes(data)
                partial.replace(path)
            finally:
                partial.unlink(missing_ok=True)

    def _shrink(self) -> None:
        """Drop the least recently used results until the rest fits."""
        while self.bytes_used() > self._max_bytes:
            with self._database() as database:
                oldest = database.execute("SELECT key FROM results ORDER BY used LIMIT 1").fetchone()
            if oldest is None:
                return
            self._drop([oldest[0]])

    def _drop(self, keys: list[str]) -> None:
        """Forget results, then delete the files that no other one has."""
        with self._database() as database:
            for key in keys:
                database.execute("DELETE FROM results WHERE key = ?", (key,))
                database.execute("DELETE FROM parts WHERE key = ?", (key,))
            free = [r[0] for r in database.execute("SELECT sha256 FROM files WHERE sha256 NOT IN (SELECT sha256 FROM parts)")]
            database.executemany("DELETE FROM files WHERE sha256 = ?", [(sha256,) for sha256 in free])
        for sha256 in free:
            self._path(sha256).unlink(missing_ok=True)

    def _sweep(self) -> None:
        """Files that no entry knows, left by a crash."""
        with self._database() as database:
            known = {r[0] for r in database.execute("SELECT sha256 FROM files")}
        for path in self._files.glob("*/*"):
            try:
                if path.name not in known and time.time() - path.stat().st_mtime > ORPHAN_S:
                    path.unlink()
            except OSError:  # another server was faster
                continue


def _close_all(connections: list[sqlite3.Connection]) -> None:
    for connection in connections:
        connection.close()
