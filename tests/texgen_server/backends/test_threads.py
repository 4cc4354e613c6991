# SPDX-License-Identifier: Apache-2.0
"""The number of threads of OpenVINO."""

from __future__ import annotations

import os

import pytest

pytestmark = pytest.mark.held


def test_as_many_threads_as_help():
    pytest.importorskip("openvino")
    from texgen_server.backends.threads import best_threads, fastest_threads

    assert best_threads({8: 1.0, 4: 1.9}) == 8
    assert best_threads({64: 5.0, 32: 2.0, 16: 1.02, 8: 1.0, 4: 1.3}) == 8
    assert best_threads({64: 1.1, 32: 1.0, 16: 1.03, 8: 1.6}) == 64
    assert 0 <= fastest_threads("f32") < (os.cpu_count() or 1)
