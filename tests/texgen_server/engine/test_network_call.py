# SPDX-License-Identifier: Apache-2.0
"""Limits of a batch of calls."""

from __future__ import annotations

from tests.texgen_server.engine.calls import call
from texgen_server.engine.network_call import LARGEST_BATCH


def test_a_batch_has_a_limit():
    assert call(None, 0.0).largest_batch == LARGEST_BATCH
