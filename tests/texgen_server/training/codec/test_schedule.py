# SPDX-License-Identifier: Apache-2.0
"""Schedules follow the clock."""

from __future__ import annotations

import pytest

from texgen_server.training.codec.schedule import Clock, cosine


def test_the_schedule_follows_the_clock():
    assert Clock(1.0, 90.0).share == 1.0
    assert Clock(0.0).share == 1.0
    assert cosine(0.0, 1000) == pytest.approx(1.0)
    assert cosine(1.0, 1000) < 0.01
    assert cosine(0.0, 0) < 0.01
