# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from texgen.files.pbr_sets import find_sets, map_word


@pytest.mark.parametrize(
    ("stem", "expected"),
    [
        ("wood_basecolor", ("wood", "basecolor")),
        ("Bricks076_1K-JPG_NormalGL", ("Bricks076", "normal")),
        ("rock_wall_nor_dx_2k", ("rock_wall", "normal_dx")),
        ("rock_wall_arm_2k", ("rock_wall", "arm")),
        ("bark_7_height", ("bark_7", "height")),
        ("photograph", None),
    ],
)
def test_a_name_says_set_and_map(stem, expected):
    assert map_word(stem) == expected


def test_files_are_grouped_by_folder_and_name(tmp_path):
    below = tmp_path / "below"
    below.mkdir()
    for folder in (tmp_path, below):
        for name in ("wood_color.png", "wood_rough.jpg", "holiday.png", "notes.txt"):
            (folder / name).write_bytes(b"")
    sets, nameless = find_sets(tmp_path, deep=False)
    assert sets == {
        (tmp_path, "wood"): {
            "basecolor": tmp_path / "wood_color.png",
            "roughness": tmp_path / "wood_rough.jpg",
        }
    }
    assert nameless == [tmp_path / "holiday.png"]
    assert set(find_sets(tmp_path)[0]) == {(tmp_path, "wood"), (below, "wood")}
