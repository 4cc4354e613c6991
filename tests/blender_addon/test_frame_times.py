# SPDX-License-Identifier: Apache-2.0
"""Times of ticks, without Blender."""

from __future__ import annotations

import time

from blender_addon import frame_times


def test_blenders_work_is_not_counted_as_ours():
    frame_times.reset()
    with frame_times.tick():
        with frame_times.blender_work(), frame_times.blender_work():
            time.sleep(0.05)
        sum(range(1000))
    assert frame_times.slowest.blender >= 0.05
    assert 0.0 < frame_times.slowest.own < 0.05
    assert frame_times.slowest.own_processor <= frame_times.slowest.own + 0.01


def test_the_slowest_is_kept_until_it_is_reset():
    frame_times.reset()
    for seconds in (0.03, 0.0):
        with frame_times.tick():
            time.sleep(seconds)
    assert frame_times.slowest.own >= 0.03
    frame_times.reset()
    assert frame_times.slowest.own == 0.0
