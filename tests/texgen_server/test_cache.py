# SPDX-License-Identifier: Apache-2.0
"""Results on disk: a hit is byte-equal and says so; damage, a full disk, a crash and other servers
lose nothing but the entry."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from contextlib import closing

import pytest

from texgen.client import Client
from texgen.maps import Encoding, MapKind
from texgen_server import cache as cache_module
from texgen_server.cache import ResultCache, open_cache
from texgen_server.config import ServerConfig
from texgen_server.engine.local import LocalEngine
from texgen_server.rpc.server import EmbeddedServer


@pytest.fixture
def cache(tmp_path):
    return ResultCache(tmp_path, 1000)


def files(folder):
    return [p for p in (folder / "files").glob("*/*") if p.is_file()]


def settled(folder, count):
    """Wait until the server's pool has entered so many results."""
    for _ in range(200):
        with closing(sqlite3.connect(folder / "index.sqlite")) as database:
            entered = database.execute("SELECT COUNT(*) FROM results").fetchone()[0]
        if entered >= count:
            return
        time.sleep(0.02)
    raise AssertionError(f"{entered} results instead of {count}")


def test_what_is_put_in_comes_out(cache):
    cache.put("key", b"header", [b"one", b"two", b"one"])
    found = cache.get("key")
    assert (found.header, found.parts) == (b"header", [b"one", b"two", b"one"])
    assert cache.get("other") is None
    assert (cache.hits, cache.misses) == (1, 1)
    assert cache.bytes_used() == 9


def test_the_least_recently_used_leave_first(cache, tmp_path):
    for name in ("a", "b", "c"):
        cache.put(name, b"", [name.encode() * 300])
        time.sleep(0.01)
    assert cache.get("a")
    cache.put("d", b"", [b"d" * 300])
    assert [bool(cache.get(name)) for name in "abcd"] == [True, False, True, True]
    assert cache.bytes_used() == 900
    assert len(files(tmp_path)) == 3


@pytest.mark.parametrize("damage", ["changed", "cut", "gone"])
def test_a_damaged_entry_is_dropped(cache, tmp_path, caplog, damage):
    cache.put("key", b"header", [b"one" * 30, b"two"])
    path = max(files(tmp_path), key=lambda p: p.stat().st_size)
    if damage == "gone":
        path.unlink()
    else:
        whole = path.read_bytes()
        path.write_bytes(
            whole[:40] + bytes([whole[40] ^ 1]) + whole[41:] if damage == "changed" else whole[:-1]
        )
    with caplog.at_level(logging.WARNING):
        assert cache.get("key") is None
    assert "damaged" in caplog.text
    assert not files(tmp_path)
    cache.put("key", b"header", [b"one" * 30, b"two"])
    assert cache.get("key").parts == [b"one" * 30, b"two"]


def test_a_full_disk_loses_the_entry_only(cache, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(
        cache_module.Path,
        "replace",
        lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")),
    )
    cache.put("key", b"header", [b"one"])
    assert "No space left" in caplog.text
    assert cache.get("key") is None
    assert not files(tmp_path)


def test_a_result_that_is_put_again_is_counted_once(cache):
    for _ in range(3):
        cache.put("key", b"header", [b"one", b""])
    assert cache.get("key").parts == [b"one", b""]
    assert cache.bytes_used() == 3


def test_an_index_of_another_version_is_emptied(tmp_path):
    with closing(sqlite3.connect(tmp_path / "index.sqlite")) as old:
        old.executescript(
            "CREATE TABLE results (key TEXT, header BLOB, used REAL); CREATE TABLE files "
            "(sha256 TEXT, bytes INTEGER);"
        )
        old.execute("INSERT INTO results VALUES ('key', x'00', 1.0)")
        old.commit()
    cache = ResultCache(tmp_path, 1000)
    assert cache.get("key") is None
    cache.put("key", b"header", [b"one"])
    assert ResultCache(tmp_path, 1000).get("key").parts == [b"one"]


def test_a_cache_that_cannot_be_read_has_nothing_and_harms_nobody(cache, tmp_path, caplog):
    cache.put("a" * 64, b"head", [b"body"])
    index = next(tmp_path.rglob("index.sqlite"))
    for path in tmp_path.rglob("index.sqlite*"):
        path.unlink()
    index.write_bytes(b"no database at all" * 1000)
    assert cache.get("a" * 64) is None
    assert "cannot be read" in caplog.text
    assert cache.bytes_used() == 0


def test_errors_leave_no_connection_open_and_a_new_index_is_taken_up(cache, tmp_path):
    cache.put("key", b"head", [b"body"])
    index = tmp_path / "index.sqlite"
    for path in tmp_path.glob("index.sqlite*"):
        path.unlink()
    index.write_bytes(b"no database at all" * 1000)
    for _ in range(20):
        assert cache.get("key") is None
    assert len(cache._connections) <= 1
    index.unlink()
    cache.put("key", b"head", [b"body"])
    assert cache.get("key").header == b"head"


def test_a_folder_that_cannot_be_written_to_is_done_without(tmp_path, caplog):
    (tmp_path / "file").write_bytes(b"")
    assert open_cache(tmp_path / "file" / "results", 1000) is None
    assert "no results will be kept" in caplog.text
    assert open_cache(tmp_path / "results", 0) is None
    assert open_cache(tmp_path / "results", 1000) is not None


def test_what_a_crash_left_is_swept_away_but_not_what_another_server_writes(cache, tmp_path):
    cache.put("key", b"", [b"kept"])
    folder = tmp_path / "files" / "ab"
    folder.mkdir()
    (folder / "orphan").write_bytes(b"old")
    (folder / "writing.1.partial").write_bytes(b"new")
    os.utime(folder / "orphan", (0, 0))
    again = ResultCache(tmp_path, 1000)
    assert not (folder / "orphan").exists()
    assert (folder / "writing.1.partial").exists()
    assert again.get("key").parts == [b"kept"]


def test_several_servers_share_a_folder(tmp_path):
    caches = [ResultCache(tmp_path, 10_000) for _ in range(4)]
    wrong = []

    def work(cache, start):
        for i in range(25):
            name = f"{(start + i) % 10}"
            cache.put(name, name.encode(), [name.encode() * 400])
            found = cache.get(name)
            if found and found.parts != [name.encode() * 400]:
                wrong.append(name)

    threads = [threading.Thread(target=work, args=(cache, i)) for i, cache in enumerate(caches)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert caches[0].bytes_used() <= 10_000


def test_a_hit_is_byte_equal_says_so_and_survives_a_restart(models, tmp_path):
    config = ServerConfig(
        port=0,
        models=models,
        device="torch",
        grace_s=0.5,
        cache_folder=tmp_path,
        cache_bytes=1 << 28,
    )
    request = {"seed": 3, "size_px": (64, 64), "encoding": Encoding.PNG}
    with EmbeddedServer(config) as server, Client(server.address) as client:
        first = client.generate("bark", **request)
        settled(tmp_path / "results", 1)
        again = client.generate("bark", **request)
        assert (first.cache_hit, again.cache_hit) == (False, True)
        assert again.maps == first.maps
        assert (again.recipe, again.seed, again.controls, again.tileability) == (
            first.recipe,
            first.seed,
            first.controls,
            first.tileability,
        )
        assert client.generate("bark", **request | {"seed": 4}).cache_hit is False
        assert client.generate("bark", **request | {"encoding": Encoding.RAW}).cache_hit is False
        assert client.generate("bark", **request, maps=[MapKind.AO]).cache_hit is False
        assert client.generate(recipe=first.recipe, encoding=Encoding.PNG).cache_hit is True
        varied = client.vary(first.recipe, 0.5, count=3, seed=1)
        settled(tmp_path / "results", 7)
        mixed = client.vary(first.recipe, 0.5, count=5, seed=0)  # 0 and 4 are new
        assert [m.cache_hit for m in mixed] == [False, True, True, True, False]
        assert [m.maps for m in mixed[1:4]] == [m.maps for m in varied]
        sky = client.generate_environment("indoor", seed=1, encoding=Encoding.RAW)
        settled(tmp_path / "results", 10)
    with EmbeddedServer(config) as server, Client(server.address) as client:
        assert client.generate("bark", **request).cache_hit is True
        assert (
            client.generate_environment("indoor", seed=1, encoding=Encoding.RAW).panorama
            == sky.panorama
        )


def test_what_was_made_with_another_arithmetic_is_not_kept_under_this_one(
    models, tmp_path, monkeypatch
):
    """As by a replica on a node of another kind: the same bytes are promised for a name."""
    config = ServerConfig(
        port=0,
        models=models,
        device="torch",
        grace_s=0.5,
        cache_folder=tmp_path,
        cache_bytes=1 << 28,
    )
    with EmbeddedServer(config) as server, Client(server.address) as client:
        with monkeypatch.context() as elsewhere:
            elsewhere.setattr(LocalEngine, "name", lambda engine: "torch-cpu/f32/another")
            client.generate("bark", seed=3, size_px=(64, 64))
        client.generate("bark", seed=4, size_px=(64, 64))
        settled(tmp_path / "results", 1)
        with monkeypatch.context() as elsewhere:
            elsewhere.setattr(LocalEngine, "name", lambda engine: "torch-cpu/f32/another")
            assert not client.generate("bark", seed=3, size_px=(64, 64)).cache_hit
