# SPDX-License-Identifier: Apache-2.0
"""The gallery: every set that texgen wrote, packed or not, on a page that works from disk without a
network.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.texgen.export.sets import STEM, textures
from texgen.cli import main
from texgen.errors import InvalidRequestError
from texgen.export.packing import pack
from texgen.export.preset import load_preset, preset_names
from texgen.gallery.build import maps_of, write_gallery
from texgen.maps import MapKind

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)


def folder_with(tmp_path, *presets, edge=64):
    for preset in presets:
        made = textures(edge=edge)
        files = pack(made, load_preset(preset))
        stem = f"{preset}_set"
        files = {name.replace(STEM, stem): data for name, data in files.items()}
        about = dict(made.sidecar) | {
            "preset": preset,
            "files": sorted(files),
            "size_px": [edge, edge],
            "seed": 7,
        }
        for name, data in files.items():
            (tmp_path / name).write_bytes(data)
        (tmp_path / f"{stem}.json").write_text(json.dumps(about))
    return tmp_path


@pytest.mark.parametrize("preset", preset_names())
def test_the_maps_come_back_out_of_every_presets_files(tmp_path, preset):
    folder = folder_with(tmp_path, preset)
    about = json.loads((folder / f"{preset}_set.json").read_text())
    found, made = maps_of(folder, f"{preset}_set", about), textures(edge=64).maps
    assert MapKind.BASECOLOR in found and MapKind.ROUGHNESS in found
    for kind, pixels in found.items():
        if (
            preset == "gltf-ktx2"
        ):  # lossy, and noise is the worst that can happen to it: unlike noise is 85 apart
            assert np.abs(pixels.astype(int) - made[kind]).mean() < 60, kind
        else:
            assert np.array_equal(pixels, made[kind]), kind


def test_padding_is_taken_off_again(tmp_path):
    own = tmp_path / "padded.toml"
    own.write_text('padding_px = 5\n[[file]]\nname = "{stem}_r"\nchannels = ["roughness"]\n')
    made = textures(edge=64)
    (name, data), *_ = pack(made, load_preset(str(own))).items()
    (tmp_path / name).write_bytes(data)
    found = maps_of(tmp_path, STEM, {"files": [name], "preset": str(own)})
    assert np.array_equal(found[MapKind.ROUGHNESS], made.maps[MapKind.ROUGHNESS])


def test_a_page_holds_all_sets_and_says_what_it_leaves_out(tmp_path, capsys):
    folder = folder_with(tmp_path, "unreal", "godot")
    (folder / "foreign.json").write_text("[1, 2]")
    (folder / "broken_set.json").write_text(
        json.dumps({"generator": "texgen", "files": {"ao": "gone.png"}, "size_px": [8, 8]})
    )
    assert main(["gallery", str(folder), "--title", "<Castle> & co"]) == 0
    told = capsys.readouterr()
    assert "broken_set: cannot read" in told.err
    page = (folder / "gallery.html").read_text()
    assert "unreal_set" in page and "godot_set" in page and "&lt;Castle> &amp; co" in page
    assert "http" not in page.replace("http-equiv", "")
    assert {p.name for p in (folder / "gallery").iterdir()} == {"unreal_set.js", "godot_set.js"}


def test_names_cannot_leave_the_script(tmp_path):
    folder = folder_with(tmp_path, "godot")
    about = json.loads((folder / "godot_set.json").read_text()) | {"recipe": "</script><b>"}
    (folder / "godot_set.json").write_text(json.dumps(about))
    page = write_gallery(folder)[0].read_text()
    assert "</script><b>" not in page


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(InvalidRequestError, match="no texture set"):
        write_gallery(tmp_path)


@pytest.mark.browser
def test_in_a_real_browser_without_a_network(tmp_path):
    if CHROMIUM is None:
        pytest.skip("there is no Chromium")
    api = pytest.importorskip("playwright.sync_api")
    folder = folder_with(tmp_path, "unreal", "godot", "unity-hdrp")
    write_gallery(folder)
    pictures = Path(os.environ.get("TEXGEN_PICTURES", "/tmp/texgen-pictures"))
    pictures.mkdir(parents=True, exist_ok=True)
    faults = []
    with api.sync_playwright() as playwright:
        options = [
            "--no-sandbox",
            "--use-gl=angle",
            "--use-angle=swiftshader",
            "--enable-unsafe-swiftshader",
        ]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        context = browser.new_context(viewport={"width": 1200, "height": 800})
        context.set_offline(True)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto((folder / "gallery.html").as_uri())
        assert page.locator(".card").count() == 3
        assert page.evaluate(
            "Array.from(document.querySelectorAll('.card img')).every((i) => i.complete && "
            "i.naturalWidth > 0)"
        )
        page.screenshot(path=pictures / "gallery.png")
        page.fill("#search", "godot")
        assert page.locator(".card").count() == 1
        page.click(".card")
        page.wait_for_selector("#detail[data-ready='godot_set']", timeout=60_000)
        colours = (
            "(() => "
            "{ const c = document.createElement('canvas'), b = document.getElementById('ball'); c.width = c.height = 64;"
        ) + (
            "const x = c.getContext('2d'); x.drawImage(b, 0, 0, 64, 64); return new "
            "Set(x.getImageData(0, 0, 64, 64).data).size; })()"
        )
        assert page.evaluate(colours) > 50, "the ball is drawn"
        before = page.evaluate("document.getElementById('ball').toDataURL()")
        box = page.locator("#ball").bounding_box()
        page.mouse.move(box["x"] + 200, box["y"] + 200)
        page.mouse.down()
        page.mouse.move(box["x"] + 320, box["y"] + 240)
        page.mouse.up()
        assert page.evaluate("document.getElementById('ball').toDataURL()") != before, "it turns"
        page.screenshot(path=pictures / "gallery_ball.png")
        page.click("#copy")
        page.wait_for_function("document.getElementById('copied').textContent === 'Copied'")
        page.click("[data-mode=tiled]")
        assert page.is_visible("#tiled") and not page.is_visible("#ball")
        page.click("#close")
        assert not page.is_visible("#detail")
        browser.close()
    assert faults == []
