# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import zipfile
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest

from texgen.commands.sets import (
    check_destination,
    find_texture_sets,
    group_by_kind,
    map_pixels,
    split_file,
    write_channels,
)
from texgen.errors import InvalidRequestError
from texgen.files.picture import PictureFile
from texgen.maps import MapKind


def picture(rng, channels, dtype=np.uint8):
    return PictureFile(Path("x.png"), rng.integers(0, 255, (4, 6, channels), dtype))


@pytest.mark.parametrize(
    ("kind", "channels", "expected"),
    [
        ("basecolor", 3, [(MapKind.BASECOLOR, 3)]),
        ("basecolor", 4, [(MapKind.BASECOLOR, 4)]),
        ("basecolor", 1, [(MapKind.BASECOLOR, 3)]),
        ("normal", 3, [(MapKind.NORMAL, 3)]),
        ("normal_dx", 3, [(MapKind.NORMAL, 3)]),
        ("height", 1, [(MapKind.HEIGHT, 1)]),
        ("gloss", 1, [(MapKind.ROUGHNESS, 1)]),
        ("orm", 3, [(MapKind.AO, 1), (MapKind.ROUGHNESS, 1), (MapKind.METALLIC, 1)]),
        ("roughness", 3, [(MapKind.ROUGHNESS, 1)] * 3),
    ],
)
def test_a_file_is_split_into_maps_and_put_together_again(rng, kind, channels, expected):
    file = picture(rng, channels)
    sources = list(split_file(kind, file))
    assert [(s.kind, map_pixels(s).shape[2]) for s in sources] == expected
    again = np.zeros_like(file.pixels)
    for source in sources:
        write_channels(source, map_pixels(source), again)
    assert np.array_equal(again, file.pixels)


def test_green_of_directx_and_gloss_are_inverted(rng):
    (normal,) = split_file("normal_dx", picture(rng, 3))
    assert np.array_equal(map_pixels(normal)[..., 1], 255 - normal.file.pixels[..., 1])
    (gloss,) = split_file("gloss", picture(rng, 1))
    assert np.array_equal(map_pixels(gloss), 255 - gloss.file.pixels)


def test_equal_channels_of_data_are_one_map(rng):
    grey = np.repeat(picture(rng, 1).pixels, 3, 2)
    (source,) = split_file("height", PictureFile(Path("x.png"), grey))
    assert map_pixels(source).shape == (4, 6, 1)


def test_a_grey_normal_map_is_refused(rng):
    with pytest.raises(InvalidRequestError, match="three channels"):
        list(split_file("normal", picture(rng, 1)))


def test_groups_hold_each_kind_once(rng):
    sources = [*split_file("roughness", picture(rng, 3)), *split_file("height", picture(rng, 1))]
    groups = [[source.kind for source in group] for group in group_by_kind(sources)]
    assert groups == [
        [MapKind.ROUGHNESS, MapKind.HEIGHT],
        [MapKind.ROUGHNESS],
        [MapKind.ROUGHNESS],
    ]


def test_a_source_is_a_folder_of_named_maps_or_a_picture(tmp_path):
    for name in ("wood_basecolor.png", "wood_preview.png", "wood.png", "holiday.png", "a.txt"):
        (tmp_path / name).write_bytes(b"")
    found = find_texture_sets(tmp_path)
    assert found.sets == {
        "wood": {"basecolor": tmp_path / "wood_basecolor.png"},
        "holiday": {"basecolor": tmp_path / "holiday.png"},
    }
    assert {path.name for path in found.left_out} == {"wood_preview.png", "wood.png", "a.txt"}
    assert len(list(found.report())) == 5
    alone = find_texture_sets(tmp_path / "holiday.png")
    assert alone.sets == {"holiday": {"basecolor": tmp_path / "holiday.png"}}
    with pytest.raises(InvalidRequestError, match="neither a folder nor a file"):
        find_texture_sets(tmp_path / "absent")


def test_a_zip_is_read_like_its_folder(tmp_path):
    archive = tmp_path / "wood.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for name in ("a/wood_Color.png", "a/wood_NormalGL.png", "a/wood_NormalDX.png"):
            file.writestr(name, b"picture")
    found = find_texture_sets(archive)
    roles = {role: path.name for role, path in found.sets["wood"].items()}
    assert roles == {"basecolor": "wood_Color.png", "normal_gl": "wood_NormalGL.png"}
    assert list(found.left_out.values()) == ["normal is read from wood_NormalGL.png"]
    every = find_texture_sets(archive, best=False).sets["wood"]
    assert set(every) == {"basecolor", "normal_gl", "normal_dx"}


def test_originals_are_not_overwritten_and_names_do_not_clash(tmp_path):
    options = Namespace(source=tmp_path, out=tmp_path, force=False)
    with pytest.raises(InvalidRequestError, match="where the originals are"):
        check_destination(options, ["a.png"])
    options.out = tmp_path / "out"
    with pytest.raises(InvalidRequestError, match=r"two files are named a\.png"):
        check_destination(options, ["a.png", "a.png"])
    check_destination(options, ["a.png", "b.png"])
