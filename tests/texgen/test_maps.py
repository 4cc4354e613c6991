# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from texgen.maps import (
    FILLABLE,
    MAP_SPECS,
    MATERIAL_MAPS,
    ColorSpace,
    Encoding,
    MapKind,
    MapSet,
    Material,
    PackedMap,
    from_unit,
    raw_bytes,
    raw_view,
    to_unit,
)
from texgen_server.networks.channels import ESTIMATED


def test_unit_range():
    assert to_unit(np.array([0, 65535], np.uint16)).tolist() == [0.0, 1.0]
    assert to_unit(np.array([0, 255], np.uint8)).tolist() == [0.0, 1.0]
    assert to_unit(np.array([2.5], np.float16)).tolist() == [2.5]


def test_what_can_be_filled_is_what_the_estimator_makes():
    assert FILLABLE == ESTIMATED
    assert set(FILLABLE) == set(MATERIAL_MAPS) - {MapKind.BASECOLOR}
    assert list(MAP_SPECS) == list(MapKind)


@pytest.mark.parametrize("order", ["<", ">"])
def test_raw_samples_are_little_endian_rows_from_the_top(order):
    pixels = np.array([[[1], [2]], [[3], [258]]], f"{order}u2")
    assert raw_bytes(pixels) == bytes([1, 0, 2, 0, 3, 0, 2, 1])
    assert raw_view(pixels).readonly


def test_a_map_with_a_view_can_be_pickled_and_copied():
    packed = PackedMap(
        MapKind.AO, 1, 2, 1, "uint8", Encoding.RAW, ColorSpace.DATA, memoryview(b"ab")
    )
    for again in (pickle.loads(pickle.dumps(packed)), copy.deepcopy(packed)):
        assert again == packed
        assert type(again.data) is bytes


def test_a_material_is_a_map_set_with_a_recipe():
    maps = MapSet(maps={}, engine="e", model_digest="ab")
    material = Material(
        **vars(maps), recipe="tg1:x", seed=3, output_licence="CC0-1.0", height_range_m=0.1
    )
    assert isinstance(material, MapSet)
    assert not hasattr(maps, "recipe")


@pytest.mark.parametrize(("dtype", "top"), [(np.uint8, 255), (np.uint16, 65535)])
def test_quantising_inverts_to_unit_and_rounds_as_each_place_did_before(dtype, top, rng):
    """Maps round halves up, previews to even; both clip."""
    levels = np.arange(top + 1).astype(dtype)
    assert np.array_equal(from_unit(to_unit(levels), dtype), levels)
    edges = np.array([-0.5, -1e-9, 0.0, 1.0, 1.0 + 1e-6, 7.0], np.float32)
    halves = ((np.arange(200) + 0.5) / top).astype(np.float32)
    unit = np.concatenate([edges, halves, rng.random(100_000).astype(np.float32) * 1.2 - 0.1])
    clipped = np.clip(unit, 0.0, 1.0)
    up = np.floor(clipped * np.float32(top) + np.float32(0.5)).astype(dtype)
    even = np.round(clipped * np.float32(top)).astype(dtype)
    assert np.array_equal(from_unit(unit, dtype), up)
    assert np.array_equal(from_unit(unit, dtype, half_to_even=True), even)
    inside = unit[(unit >= 0) & (unit <= 1)]  # maps after the network were not clipped
    plain = np.floor(inside * np.float32(top) + np.float32(0.5)).astype(dtype)
    assert np.array_equal(from_unit(inside, dtype), plain)


def test_half_floats_are_only_narrowed():
    assert from_unit(np.array([-2.0, 70.5], np.float32), np.float16).tolist() == [-2.0, 70.5]
