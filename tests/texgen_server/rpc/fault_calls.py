# SPDX-License-Identifier: Apache-2.0
"""Calls of the tests of faults, and their tally."""

from __future__ import annotations

import hashlib
import time

from texgen.client import Client
from texgen.maps import Encoding

ROWS: list[str] = []


def digest(material):
    return hashlib.sha256(
        b"".join(material.maps[k].data for k in sorted(material.maps))
    ).hexdigest()


def ask(client, seed, size=64):
    return digest(client.generate("bark", seed=seed, size_px=(size, size), encoding=Encoding.RAW))


def still_serves(server, expected):
    with Client(server.address) as client:
        assert ask(client, 3) == expected[3]


def assert_idle(server, seconds=20.0):
    """Nothing goes on for those who left."""
    end = time.monotonic() + seconds
    with Client(server.address) as client:
        while client.server_info().queue_depth and time.monotonic() < end:
            time.sleep(0.05)
        assert client.server_info().queue_depth == 0
