# SPDX-License-Identifier: Apache-2.0
"""Maps of sets as arrays: unpacked, turned, and told."""

from __future__ import annotations

import numpy as np
import pytest

from tests.texgen.inputs.test_normals import grey, normal_of, surface
from texgen.errors import InvalidRequestError
from texgen.files.images import encode_png
from texgen.inputs.reading import read_set
from texgen.inputs.sets import find_sets
from texgen.maps import MapKind

RNG = np.random.default_rng(2)
EDGE = 64
COLOUR = RNG.integers(0, 256, (EDGE, EDGE, 3), np.uint8)
PACKED = RNG.integers(0, 256, (EDGE, EDGE, 3), np.uint8)
SINGLE = RNG.integers(0, 256, (EDGE, EDGE, 1), np.uint8)


@pytest.fixture
def read(tmp_path):
    def written(files, **options):
        for name, pixels in files.items():
            data = pixels if isinstance(pixels, bytes) else encode_png(pixels, srgb=False)
            (tmp_path / name).write_bytes(data)
        (found,) = find_sets(tmp_path).sets
        return read_set(found, **options)

    return written


@pytest.mark.parametrize(
    ("word", "order"), [("ORM", "arm"), ("arm", "arm"), ("RMA", "rma"), ("MRA", "mra")]
)
def test_packings_are_unpacked(read, word, order):
    found = read({"wall_BaseColor.png": COLOUR, f"wall_{word}.png": PACKED})
    kinds = {"a": MapKind.AO, "r": MapKind.ROUGHNESS, "m": MapKind.METALLIC}
    for channel, letter in enumerate(order):
        assert np.array_equal(found.maps[kinds[letter]][..., 0], PACKED[..., channel])


def test_a_mask_map_has_smoothness_in_alpha(read):
    mask = RNG.integers(0, 256, (EDGE, EDGE, 4), np.uint8)
    found = read({"wall_BaseMap.png": COLOUR, "wall_MaskMap.png": mask})
    assert np.array_equal(found.maps[MapKind.ROUGHNESS][..., 0], 255 - mask[..., 3])
    assert np.array_equal(found.maps[MapKind.METALLIC][..., 0], mask[..., 0])
    assert np.array_equal(found.maps[MapKind.AO][..., 0], mask[..., 1])


def test_gloss_becomes_roughness(read):
    found = read({"a_COL.png": COLOUR, "a_GLOSS.png": SINGLE})
    assert np.array_equal(found.maps[MapKind.ROUGHNESS], 255 - SINGLE)


def test_a_loose_map_wins_over_a_packing(read):
    found = read({"a_albedo.png": COLOUR, "a_arm.png": PACKED, "a_roughness.png": SINGLE})
    assert np.array_equal(found.maps[MapKind.ROUGHNESS], SINGLE)
    assert np.array_equal(found.maps[MapKind.AO][..., 0], PACKED[..., 0])


@pytest.mark.parametrize("dx", [False, True])
@pytest.mark.parametrize("word", ["normal", "normal_gl", "normal_dx"])
def test_normals_come_out_in_opengl_whatever_their_name_says(read, word, dx):
    height = surface(3)
    found = read({f"a_{word}.png": normal_of(height, dx=dx)})
    assert np.array_equal(found.maps[MapKind.NORMAL], normal_of(height)) or (
        np.abs(found.maps[MapKind.NORMAL].astype(int) - normal_of(height)).max() <= 1
    )
    assert any("measured as" in note for note in found.notes)


def test_the_caller_has_the_last_word(read):
    height = surface(3)
    found = read({"a_normal.png": normal_of(height)}, direction="dx")
    assert np.array_equal(found.maps[MapKind.NORMAL][..., 1], ~normal_of(height)[..., 1])


def test_a_normal_that_says_nothing_goes_by_its_name(read):
    flat = np.full((EDGE, EDGE, 3), (128, 120, 255), np.uint8)
    assert np.array_equal(
        read({"a_NormalDX.png": flat}).maps[MapKind.NORMAL][0, 0], [128, 135, 255]
    )


def test_a_broken_file_is_left_out_and_the_next_best_is_read(read):
    found = read({"a_color.png": COLOUR, "a_roughness.png": b"broken", "a_arm.png": PACKED})
    assert np.array_equal(found.maps[MapKind.ROUGHNESS][..., 0], PACKED[..., 1])
    (left,) = found.left_out
    assert left.source.name == "a_roughness.png"


def test_a_set_of_broken_files_is_refused_with_the_reasons(read):
    with pytest.raises(InvalidRequestError, match=r"a_normal\.png"):
        read({"a_normal.png": b"broken"})


def test_sizes_that_differ_are_refused_with_the_sizes(read):
    found = read({"a_color.png": COLOUR, "a_roughness.png": SINGLE[:32]})
    with pytest.raises(InvalidRequestError, match="basecolor 64 x 64, roughness 64 x 32"):
        found.size()


def test_heights_and_colours_keep_their_depth(read):
    height = surface(1)
    found = read({"a_color.png": COLOUR[..., :1], "a_height.png": grey(height)[:64, :64]})
    assert found.maps[MapKind.HEIGHT].dtype == np.uint16
    assert found.maps[MapKind.BASECOLOR].shape[2] == 3
