# SPDX-License-Identifier: Apache-2.0
"""Calls for textures: deadlines."""

from __future__ import annotations

import pytest

from texgen.client import Client
from texgen.errors import (
    CancelledError,
)


def test_a_deadline_reaches_the_engine(client, server):
    with Client(server, "secret", deadline_s=0.15) as hasty:
        hasty.get_model()
        with pytest.raises(CancelledError):
            hasty.generate("bark", seed=1, size_px=(2048, 2048))
    assert client.generate("bark", seed=1, size_px=(32, 32)).seed == 1
