"""Masks of joints: found where there is a network, refused where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from texgen_server.layout.components import label_torus
from texgen_server.layout.joints import cut_costs, find_joints, joint_features, network_score
from texgen_server.layout.rules import Family, Rule


def bricks(size: int = 256, high: int = 32, wide: int = 64, joint: int = 6) -> np.ndarray:
    """(size, size) bool: joints of a running bond."""
    y, x = np.mgrid[0:size, 0:size]
    shifted = x + (y // high % 2) * wide // 2
    return (y % high < joint) | (shifted % wide < joint)


def test_a_network_of_joints_is_found():
    random = np.random.default_rng(1)
    height = (0.6 - 0.4 * bricks() + 0.02 * random.standard_normal((256, 256))).astype(np.float32)
    found = find_joints({"height": height})
    assert found is not None
    assert found.source == "height-"
    assert (found.mask == bricks()).mean() > 0.93


def test_bright_mortar_is_found_in_the_colour():
    found = find_joints({"luminance": (0.4 + 0.3 * bricks()).astype(np.float32)})
    assert found is not None
    assert found.source == "luminance+"


@pytest.mark.parametrize("grain", [1, 4])
def test_noise_has_no_joints(grain):
    random = np.random.default_rng(2)
    noise = np.kron(
        random.standard_normal((256 // grain, 256 // grain)), np.ones((grain, grain))
    ).astype(np.float32)
    assert find_joints({"height": noise, "luminance": noise}) is None


def test_broken_joints_score_less_than_whole_ones():
    broken = bricks()
    broken[:, ::2] = False
    broken[::2] = False
    assert network_score(bricks()) > 0.9
    assert network_score(broken) == 0.0


def test_low_stones_are_no_joints():
    """Half of the parts taken for joints: the mask is as thick as a part."""
    y, x = np.mgrid[0:256, 0:256]
    assert network_score(bricks() | ((y // 32 + x // 64) % 2 == 0)) < 0.3


def test_parts_are_labelled_across_the_border():
    mask = np.zeros((8, 8), np.bool_)
    mask[3, [0, 7]] = True
    mask[6, 3] = True
    labels = label_torus(mask)
    assert labels[3, 0] == labels[3, 7] != labels[6, 3]
    assert (labels[~mask] == -1).all()


def test_features_are_distances_to_the_joints_before_and_after():
    features = joint_features(bricks(), Rule(Family.ROWS, "y", 8), 400.0)
    assert features.shape == (32, 32, 2)
    inside = features[2, 1:7].astype(
        int
    )  # a row of cells through one brick, from its left joint to its right one
    assert (np.diff(inside[:, 0]) > 0).all()
    assert (np.diff(inside[:, 1]) < 0).all()
    assert abs(float((features.astype(float) ** 2).sum(-1).mean()) - 400.0) < 40.0
    assert joint_features(bricks(), Rule(Family.IRREGULAR), 400.0).shape == (32, 32, 4)


def test_a_cut_costs_most_deep_inside():
    costs = cut_costs(bricks())
    assert costs.shape == (32, 32)
    assert costs[0].max() < costs[2, 4]
