# SPDX-License-Identifier: Apache-2.0
"""Folders as artists have them, sorted into sets."""

from __future__ import annotations

import tomllib
import zipfile

import pytest

from texgen.errors import InvalidRequestError
from texgen.inputs.conventions import RULES_FILE
from texgen.inputs.sets import find_sets

PUBLISHERS = tomllib.loads(RULES_FILE.read_text(encoding="utf-8"))["publisher"]


@pytest.fixture
def folder(tmp_path):
    def fill(*names):
        place = tmp_path / "set"
        place.mkdir(exist_ok=True)
        for name in names:
            (place / name).write_bytes(b"picture")
        return place

    return fill


def maps(found):
    """Map -> file name, with the channel of a packing behind it."""
    return {
        kind: source.file.source.name + (f":{source.channel}" if source.channel else "")
        for kind, source in found.maps().items()
    }


def told(inventory):
    """All files that the report names."""
    used = [s.file.source for t in inventory.sets for s in t.maps().values()]
    return {*used, *inventory.pictures, *(entry.source for entry in inventory.all_left_out())}


def test_ordinary_words_are_lone_pictures(folder):
    found = find_sets(
        folder("sheet_metal.png", "robot_arm.png", "speed_bump.png", "galvanized-steel-metal.jpg")
    )
    assert found.sets == ()
    assert len(found.pictures) == 4


def test_the_same_words_name_maps_beside_others(folder):
    found = find_sets(folder("sheet_metal.png", "sheet_color.png", "sheet_normal.png"))
    assert maps(found.sets[0]) == {
        "basecolor": "sheet_color.png",
        "normal": "sheet_normal.png",
        "metallic": "sheet_metal.png",
    }


def test_variants_are_one_set_and_gloss_is_inverted_roughness(folder):
    found = find_sets(
        folder(
            "BricksFlemishRed001_COL_VAR1_3K.jpg",
            "BricksFlemishRed001_COL_VAR2_3K.jpg",
            "BricksFlemishRed001_GLOSS_3K.jpg",
            "BricksFlemishRed001_NRM_3K.jpg",
        )
    )
    (found_set,) = found.sets
    assert found_set.maps()["roughness"].inverted
    assert maps(found_set)["basecolor"].endswith("VAR1_3K.jpg")
    (left,) = found.all_left_out()
    assert "VAR2" in left.source.name
    assert "VAR1" in left.reason


def test_two_sizes_are_two_sets(folder):
    found = find_sets(folder("wood_diff_1k.png", "wood_diff_4k.png", "wood_rough_4k.png"))
    assert [s.name for s in found.sets] == ["wood_1k", "wood_4k"]


def test_sizes_that_do_not_clash_are_one_set(folder):
    (found,) = find_sets(folder("wood_diff_4k.jpg", "wood_disp_4k.png", "wood_rough_8k.exr")).sets
    assert found.name == "wood"


def test_composed_and_decomposed_names_are_one_set(folder):
    found = find_sets(folder("gr\u00f6\u00dfe_color.png", "gro\u0308\u00dfe_roughness.png"))
    (found_set,) = found.sets
    assert found_set.name == "gr\u00f6\u00dfe"
    assert set(found_set.maps()) == {"basecolor", "roughness"}


def test_files_named_after_maps_alone_are_the_folders_set(folder):
    (found,) = find_sets(folder("diff.jpg", "arm.jpg", "nor_gl.jpg")).sets
    assert found.name == "set"
    assert maps(found) == {
        "basecolor": "diff.jpg",
        "normal": "nor_gl.jpg",
        "roughness": "arm.jpg:g",
        "metallic": "arm.jpg:b",
        "ao": "arm.jpg:r",
    }


def test_the_better_container_is_preferred(folder):
    found = find_sets(folder("a_color.jpg", "a_color.png", "a_height.png", "a_height.exr"))
    assert maps(found.sets[0]) == {"basecolor": "a_color.png", "height": "a_height.exr"}
    assert {entry.source.name for entry in found.left_out} == {"a_color.jpg", "a_height.png"}


def test_tiles_are_sets_of_their_own(folder):
    found = find_sets(folder("w_basecolor.1001.png", "w_basecolor.1002.png", "w_rough.1001.png"))
    assert sorted(s.name for s in found.sets) == ["w.1001", "w.1002"]


def test_two_weak_words_of_one_name_are_a_set(folder):
    (found,) = find_sets(folder("wall_gloss.png", "wall_bump.png")).sets
    assert set(found.maps()) == {"roughness", "height"}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("publisher", PUBLISHERS, ids=lambda p: p["name"])
def test_a_download_is_one_set_and_every_file_is_told(folder, tmp_path, publisher, packed):
    names = [n for n in publisher["example"] if not n.startswith("Metal042A")]
    place = folder(*names, "Thumbs.db", "._" + names[0], "readme.txt")
    if packed:
        archive = tmp_path / "download.zip"
        with zipfile.ZipFile(archive, "w") as file:
            for path in place.iterdir():
                file.write(path, f"inner/{path.name}")
            file.writestr(f"__MACOSX/inner/._{names[0]}", b"junk")
        place = archive
    found = find_sets(place)
    (found_set,) = found.sets
    assert "basecolor" in found_set.maps()
    assert len(found_set.maps()) >= 3
    assert not found.pictures
    assert {source.name for source in told(found)} == {*names, "readme.txt"}


def test_of_both_normals_the_opengl_one_is_used_and_told(folder):
    found = find_sets(folder("a_Color.png", "a_NormalGL.png", "a_NormalDX.png"))
    assert maps(found.sets[0])["normal"] == "a_NormalGL.png"
    (left,) = found.all_left_out()
    assert left.reason == "normal is read from a_NormalGL.png"


def test_photoshop_documents_are_refused_by_name(folder):
    (left,) = find_sets(folder("a.psd")).left_out
    assert "Photoshop" in left.reason


def test_what_is_no_folder_is_refused(tmp_path):
    with pytest.raises(InvalidRequestError, match="neither a folder nor a zip"):
        find_sets(tmp_path / "nothing")


def test_files_are_grouped_by_folder_and_name(folder):
    top = folder("wood_color.png", "wood_rough.jpg", "holiday.png", "notes.txt")
    below = top / "below"
    below.mkdir()
    for name in ("wood_color.png", "wood_rough.jpg"):
        (below / name).write_bytes(b"")
    found = find_sets(top)
    assert maps(found.sets[0]) == {"basecolor": "wood_color.png", "roughness": "wood_rough.jpg"}
    assert [source.name for source in found.pictures] == ["holiday.png"]
    folders = [(s.folder, s.name) for s in find_sets(top, deep=True).sets]
    assert sorted(folders) == [(str(top), "wood"), (str(below), "wood")]
