# SPDX-License-Identifier: Apache-2.0
"""Names of channels."""

from __future__ import annotations

import numpy as np
import pytest

from texgen_server.networks.channels import (
    AO,
    BASECOLOR,
    ESTIMATED,
    HEIGHT,
    MAP_CHANNELS,
    METALLIC,
    OUTPUT_CHANNELS,
    ROUGHNESS,
    channel_slices,
    split_channels,
)


def test_the_output_of_the_generator_is_named_whole():
    channels = np.arange(OUTPUT_CHANNELS)
    named = [*channels[BASECOLOR], *(channels[c] for c in (HEIGHT, ROUGHNESS, METALLIC, AO))]
    assert named == list(range(OUTPUT_CHANNELS))


@pytest.mark.parametrize("names", [tuple(MAP_CHANNELS), ESTIMATED])
@pytest.mark.parametrize("axis", [0, 1])
def test_maps_follow_each_other_without_a_gap(names, axis):
    count = sum(MAP_CHANNELS[name] for name in names)
    planes = np.moveaxis(np.arange(count)[:, None] + np.zeros((count, 2), int), 0, axis)
    parts = split_channels(planes, names, axis)
    assert tuple(parts) == tuple(channel_slices(names)) == names
    assert all(part.shape[axis] == MAP_CHANNELS[name] for name, part in parts.items())
    assert np.array_equal(np.concatenate(list(parts.values()), axis), planes)


def test_the_parts_are_views():
    planes = np.zeros((9, 2, 2))
    split_channels(planes)["height"][...] = 1.0
    assert planes.sum() == 4.0
