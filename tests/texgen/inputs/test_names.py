# SPDX-License-Identifier: Apache-2.0
"""File names of publishers, tools and engines."""

from __future__ import annotations

import tomllib

import pytest

from texgen.inputs.conventions import RULES_FILE, conventions
from texgen.inputs.names import read_name

PUBLISHERS = tomllib.loads(RULES_FILE.read_text(encoding="utf-8"))["publisher"]


@pytest.mark.parametrize("publisher", PUBLISHERS, ids=lambda p: p["name"])
def test_every_example_of_a_publisher_names_a_map_of_one_set(publisher):
    found = [read_name(name.rpartition(".")[0]) for name in publisher["example"]]
    assert all(found), publisher
    stems = {named.stem.rstrip("0123456789AB") for named in found}
    assert len(stems - {"Metal"}) == 1, stems


@pytest.mark.parametrize(
    ("name", "stem", "role", "size"),
    [
        ("Asphalt001_1K-JPG_NormalDX", "Asphalt001", "normal_dx", "1k"),
        ("wood_nor_gl_4k", "wood", "normal_gl", "4k"),
        ("wood_arm_4k", "wood", "orm", "4k"),
        ("wall_OcclusionRoughnessMetallic", "wall", "orm", ""),
        ("wall_metallicRoughness", "wall", "metallic_roughness", ""),
        ("Metal_COL_2K_METALNESS", "Metal", "basecolor", "2k"),
        ("Metal_METALNESS_2K_METALNESS", "Metal", "metallic", "2k"),
        ("vdkgdbpv_4K_Specular", "vdkgdbpv", "unused:specular", "4k"),
        ("Metalness_4K__schvfgwp", "schvfgwp", "metallic", "4k"),
        ("floor-albedo-2048x2048", "floor", "basecolor", "2048x2048"),
        ("Wood Floor Normal", "Wood Floor", "normal", ""),
        ("Rock_Normal_16bit", "Rock", "normal", ""),
        ("gr\u00f6\u00dfe_Roughness", "gr\u00f6\u00dfe", "roughness", ""),
        ("gro\u0308\u00dfe_Roughness", "gr\u00f6\u00dfe", "roughness", ""),
        ("nor_gl", "", "normal_gl", ""),
        ("wood_rough_ao_1k", "wood", "roughness_ao", "1k"),
        ("wood_basecolor", "wood", "basecolor", ""),
        ("Bricks076_1K-JPG_NormalGL", "Bricks076", "normal_gl", "1k"),
        ("rock_wall_nor_dx_2k", "rock_wall", "normal_dx", "2k"),
        ("bark_7_height", "bark_7", "height", ""),
    ],
)
def test_a_name_says_set_map_and_size(name, stem, role, size):
    named = read_name(name)
    assert (named.stem, named.role, named.size) == (stem, role, size)


@pytest.mark.parametrize(
    ("name", "variant", "tile"),
    [
        ("Bricks_COL_VAR2_3K", "var2", ""),
        ("wood_basecolor.1001", "", "1001"),
        ("wood_basecolor_1012", "", "1012"),
        ("water_normal_0001", "", "0001"),
        ("wood_albedo_v2", "v2", ""),
    ],
)
def test_variants_tiles_and_frames_are_told(name, variant, tile):
    named = read_name(name)
    assert (named.variant, named.tile) == (variant, tile)


@pytest.mark.parametrize(
    "name", ["photograph", "Gravel020", "Iron", "Carbon", "chroma", "bark_7", "", "___", "4k"]
)
def test_a_name_without_a_map_word_names_no_map(name):
    assert read_name(name) is None


@pytest.mark.parametrize("name", ["sheet_metal", "robot_arm", "speed_bump", "water_color", "x_r"])
def test_ordinary_words_are_weak(name):
    assert not read_name(name).strong


def test_no_word_means_two_things():
    rules = conventions()
    assert not set(rules.strong) & set(rules.weak)
