# SPDX-License-Identifier: Apache-2.0
"""``texgen repair`` against a real server: names stay, what was missing lies beside, what was done
is told.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from tests.texgen_server.repair.pictures import blobs
from texgen.cli import main
from texgen.commands.repair import guessed_class
from texgen.files.images import encode_png
from texgen.inputs.pictures import read_picture_file
from texgen.maps import MapKind
from texgen_server.repair.seam_detection import seam_axes


@pytest.fixture
def repair(models, tmp_path):
    def run(source, *more):
        return main(
            [
                "repair",
                str(source),
                "--out",
                str(tmp_path / "out"),
                "--models",
                str(models),
                "--device",
                "torch",
                *more,
            ]
        )

    return run


def test_a_photograph_becomes_a_set(repair, tmp_path, rng, capsys):
    Image.fromarray(blobs(rng)).save(tmp_path / "wall.jpg", quality=60)
    assert repair(tmp_path / "wall.jpg", "--clean", "--fill", "all", "--class", "brick") == 0
    names = {
        "wall.jpg",
        *(f"wall_{kind}.png" for kind in ("normal_gl", "roughness", "metallic", "height", "ao")),
    }
    assert {p.name for p in (tmp_path / "out").iterdir()} == names
    told = capsys.readouterr()
    assert len(told.out.splitlines()) == len(names)
    assert "basecolor cleaned, tiled" in told.err
    assert "normal from estimate" in told.err
    assert read_picture_file(tmp_path / "out" / "wall_height.png").pixels.dtype == np.uint16
    for name in names - {"wall.jpg"}:
        assert seam_axes({MapKind.AO: read_picture_file(tmp_path / "out" / name).pixels}) == (
            False,
            False,
        ), name


def test_a_set_keeps_its_packing_and_gets_what_it_lacks(repair, tmp_path, rng, capsys):
    folder = tmp_path / "set"
    folder.mkdir()
    color = blobs(rng, period=True)
    normal = np.full((*color.shape[:2], 3), (128, 160, 250), np.uint16) * 257
    (folder / "Wood_1K_NormalDX.png").write_bytes(encode_png(normal, srgb=False))
    (folder / "Wood_1K_Color.png").write_bytes(encode_png(color, srgb=True))
    (folder / "Wood_1K_Gloss.png").write_bytes(encode_png(color[..., :1], srgb=False))
    assert repair(folder, "--tile", "never", "--fill", "height,ao", "--json") == 0
    (told,) = json.loads(capsys.readouterr().out)["sets"]
    assert told["repairs"] == {
        "basecolor": [],
        "normal": [],
        "roughness": [],
        "height": ["from normal"],
        "ao": ["from estimate"],
    }
    made = {p.name for p in (tmp_path / "out").iterdir()}
    assert made == {
        "Wood_1K_NormalDX.png",
        "Wood_1K_Color.png",
        "Wood_1K_Gloss.png",
        "Wood_height.png",
        "Wood_ao.png",
    }
    for path in folder.iterdir():
        assert np.array_equal(
            read_picture_file(path).pixels, read_picture_file(tmp_path / "out" / path.name).pixels
        ), path.name


def test_by_itself_it_fills_where_geometry_is_known_and_takes_the_class_from_the_name(
    repair, tmp_path, rng, capsys
):
    for name in ("old_Bricks02_color", "old_Bricks02_height", "plain_color"):
        (tmp_path / f"{name}.png").write_bytes(
            encode_png(blobs(rng, period=True)[..., : 1 if "height" in name else 3], srgb=False)
        )
    assert repair(tmp_path, "--tile", "never", "--json") == 0
    bricks, plain = sorted(
        json.loads(capsys.readouterr().out)["sets"], key=lambda told: told["name"]
    )
    assert bricks["repairs"]["normal"] == ["from height"]
    assert (bricks["class"], set(bricks["repairs"])) == (
        "brick",
        {"basecolor", "height", "normal", "roughness", "metallic", "ao"},
    )
    assert (plain["class"], plain["repairs"]) == ("", {"basecolor": []})


def test_a_class_is_guessed_from_whole_words_only():
    known = ["brick", "bark", "tiles"]
    assert guessed_class("OldBricks_02", known) == "brick"
    assert guessed_class("BARK-4k", known) == "bark"
    assert guessed_class("tile_floor", known) == "tiles"
    assert guessed_class("embarked", known) == ""
    assert guessed_class("brick_and_bark", known) == ""


@pytest.mark.parametrize(
    ("names", "arguments", "message"),
    [
        (["wall_color.png"], ("--fill", "colour"), "allowed are auto, all, none, or some of"),
        (["wall_color.png"], ("--fill", "all", "--class", "cheese"), "unknown class 'cheese'"),
        (["wall_roughness.png"], ("--fill", "all"), "send at least one of them"),
        (["wall.txt"], (), "no picture in"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_written(
    repair, tmp_path, rng, capsys, names, arguments, message
):
    folder = tmp_path / "set"
    folder.mkdir()
    for name in names:
        (folder / name).write_bytes(encode_png(blobs(rng)[..., :1], srgb=False))
    assert repair(folder, *arguments) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_of_two_sources_of_a_map_one_is_repaired_and_the_other_reported(
    repair, tmp_path, rng, capsys
):
    folder = tmp_path / "set"
    folder.mkdir()
    for name in ("wall_color.png", "wall_gloss.png", "wall_rough.png"):
        (folder / name).write_bytes(encode_png(blobs(rng)[..., :1], srgb=False))
    assert repair(folder, "--json") == 0
    told = capsys.readouterr()
    (entry,) = json.loads(told.out)["sets"]
    reason = "roughness is read from wall_rough.png"
    assert entry["skipped"] == {str(folder / "wall_gloss.png"): reason}
    assert f"wall_gloss.png: left out, {reason}" in told.err
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "wall_color.png",
        "wall_rough.png",
    ]


def test_nothing_is_overwritten(repair, tmp_path, rng, capsys):
    Image.fromarray(blobs(rng)).save(tmp_path / "wall.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "wall_ao.png").write_text("mine")
    assert repair(tmp_path / "wall.png", "--fill", "all") == 9
    assert "wall_ao.png" in capsys.readouterr().err
    assert (tmp_path / "out" / "wall_ao.png").read_text() == "mine"


def test_without_an_estimator_it_tiles_and_cleans(models, tmp_path, rng, capsys):
    import shutil

    shutil.copytree(models / "upscaler", tmp_path / "models" / "upscaler")
    Image.fromarray(blobs(rng)).save(tmp_path / "wall.png")
    call = [
        "repair",
        str(tmp_path / "wall.png"),
        "--out",
        str(tmp_path / "out"),
        "--models",
        str(tmp_path / "models"),
        "--device",
        "torch",
    ]
    assert main([*call, "--clean"]) == 0
    assert "basecolor cleaned, tiled" in capsys.readouterr().err
    assert main([*call, "--fill", "ao", "--force"]) == 3
    assert "no model 'estimator'" in capsys.readouterr().err
