# SPDX-License-Identifier: Apache-2.0
"""Repair: missing maps agree with those that are there, nothing that is there changes unasked, what
was done is told."""

from __future__ import annotations

import numpy as np
import pytest

from tests.texgen_server.repair.pictures import blobs
from tests.texgen_server.repair.relief import NOBODY
from texgen.errors import InvalidRequestError
from texgen.files.images import decode
from texgen.maps import MATERIAL_MAPS, Encoding, MapKind, MapSet, Tiling
from texgen_server.repair.missing_maps import (
    FILLABLE,
)
from texgen_server.repair.options import RepairOptions
from texgen_server.repair.pipeline import repair_maps


def test_nothing_asked_for_changes_nothing(rng):
    maps = {MapKind.BASECOLOR: blobs(rng)}
    repaired = repair_maps(
        maps, RepairOptions(Tiling.NEVER, False, frozenset(), NOBODY), None, None
    )
    assert np.array_equal(repaired.maps[MapKind.BASECOLOR], maps[MapKind.BASECOLOR])
    assert repaired.steps == {MapKind.BASECOLOR: ()}


def test_a_photograph_becomes_a_set(client, rng):
    seen = []
    made = client.repair(
        {MapKind.BASECOLOR: blobs(rng)},
        clean=True,
        fill=FILLABLE,
        class_name="brick",
        encoding=Encoding.RAW,
        on_progress=lambda p: seen.append(p.fraction),
    )
    assert tuple(made.maps) == MATERIAL_MAPS
    assert made.repairs[MapKind.BASECOLOR] == ("cleaned", "tiled")
    assert {made.repairs[k] for k in FILLABLE} == {("from estimate",)}
    assert made.height_range_tiles > 0
    assert type(made) is MapSet
    assert seen == sorted(seen)


def test_a_tileable_set_is_left_as_it_came(client, rng):
    color = blobs(rng, period=True)
    made = client.repair({MapKind.BASECOLOR: color}, fill=[MapKind.AO], encoding=Encoding.RAW)
    assert np.array_equal(decode(made.maps[MapKind.BASECOLOR]), color)
    assert made.repairs == {MapKind.BASECOLOR: (), MapKind.AO: ("from estimate",)}


def test_alpha_comes_along(client, rng):
    """A seam is mended in the alpha as in the colour; cleaning and filling take colours only."""
    color = blobs(rng)
    alpha = np.where(color[..., :1] > 128, 255, 0).astype(np.uint8)
    made = client.repair(
        {MapKind.BASECOLOR: np.concatenate([color, alpha], 2)},
        tiling="always",
        fill=[MapKind.ROUGHNESS],
        encoding=Encoding.RAW,
    )
    after = decode(made.maps[MapKind.BASECOLOR])
    assert after.shape[2] == 4
    agree = (after[..., 3] > 127) == (after[..., 0] > 128)
    assert agree.mean() > 0.97


@pytest.mark.parametrize(
    ("maps", "arguments", "message"),
    [
        ({MapKind.BASECOLOR: (8, 8, 3)}, {"tiling": "always"}, "at least 16 px"),
        ({MapKind.ROUGHNESS: (32, 32, 1)}, {}, "send at least one of them"),
        ({MapKind.BASECOLOR: (32, 32, 3)}, {"fill": [MapKind.BASECOLOR]}, "cannot be filled"),
        ({MapKind.BASECOLOR: (32, 32, 3)}, {"class_name": "cheese"}, "unknown class 'cheese'"),
        (
            {MapKind.BASECOLOR: (32, 32, 3)},
            {"tiling": "perhaps"},
            "allowed are auto, always, never",
        ),
        ({MapKind.BASECOLOR: (32, 32, 3), MapKind.AO: (32, 31, 1)}, {}, "maps of unlike sizes"),
        ({MapKind.BASECOLOR: (32, 32, 3)}, {"model": "material"}, "of kind 'material'"),
        (
            {MapKind.BASECOLOR: (32, 32, 3)},
            {"class_name": "brick", "fill": ()},
            "say in fill which to make",
        ),
        ({}, {}, "announce one to 6 maps"),
    ],
)
def test_what_is_wrong_is_told(client, rng, maps, arguments, message):
    pixels = {kind: rng.integers(0, 256, shape, np.uint8) for kind, shape in maps.items()}
    with pytest.raises(InvalidRequestError, match=message):
        client.repair(pixels, **({"fill": FILLABLE} | arguments))
