# SPDX-License-Identifier: Apache-2.0
"""Words for training materials, from measurements: colour, finish, relief.

Together with written phrases for the classes they make ``tags.toml``.
"""

from __future__ import annotations

import colorsys
import json
import re
import tomllib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from texgen.maps import to_unit
from texgen.modelcard import read_card
from texgen_server.networks.channels import BASECOLOR, METALLIC, ROUGHNESS

CLASS_TAGS_FILE = Path(__file__).with_name("class_tags.toml")
PUBLISHERS = {"cgbookcase", "textures", "hterrain", "aerial"}
HUES = (
    (15, "red"),
    (40, "brown"),
    (65, "yellow"),
    (160, "green"),
    (200, "cyan"),
    (260, "blue"),
    (320, "purple"),
    (361, "red"),
)


def write_tags(folder: Path, pack: Path) -> None:
    """Write ``tags.toml`` into a model folder, for its classes and materials."""
    card = read_card(folder)
    meta = json.loads((pack / "pack.json").read_text(encoding="utf-8"))
    maps = np.load(pack / "maps_128.npy", mmap_mode="r")
    phrases = tomllib.loads(CLASS_TAGS_FILE.read_text(encoding="utf-8"))["phrases"]
    lines = [
        "# SPDX-License-Identifier: CC0-1.0",
        "# Written by the export of training: what prompts are compared with.",
        "",
        "[phrases]",
    ]
    lines += [
        f"{c.name} = {json.dumps(phrases.get(c.name, [c.name.replace('_', ' ')]))}"
        for c in card.classes
    ]
    lines += ["", "[materials]"]
    for asset in (asset for c in card.classes for asset in c.materials):
        row = meta["assets"].index(asset)
        measured = material_words(to_unit(maps[row]), meta["relief"][row])
        words = f"{measured} {name_words(asset)}".strip()
        lines.append(f"{json.dumps(asset)} = {json.dumps(words)}")
    (folder / "tags.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def name_words(asset: str) -> str:
    """Return the words in the name of an asset:

    ``"Wood_Herringbone_Tiles_001"`` gives "wood herringbone tiles". Publishers and numbers are left
    out.
    """
    words = re.findall(r"[A-Z]?[a-z]{3,}", asset)
    return " ".join(w.lower() for w in words if w.lower() not in PUBLISHERS)


def material_words(maps: NDArray[np.float32], relief_tiles: float) -> str:
    """Return words for (7, S, S) maps, such as "dark brown rough deep"."""
    words = [colour_words(maps[BASECOLOR].mean((1, 2)))]
    roughness = float(maps[ROUGHNESS].mean())
    words += ["glossy"] if roughness < 0.35 else ["matte"] if roughness > 0.75 else []
    words += (
        ["smooth flat"] if relief_tiles < 0.004 else ["deep rough"] if relief_tiles > 0.06 else []
    )
    words += ["metallic"] if maps[METALLIC].mean() > 0.5 else []
    words += ["multicoloured"] if maps[BASECOLOR].std((1, 2)).mean() > 0.2 else []
    return " ".join(words)


def colour_words(rgb: NDArray[np.float32]) -> str:
    """Return words for an sRGB mean in 0..1, such as "dark grey", "light brown", "red"."""
    hue, saturation, value = colorsys.rgb_to_hsv(*map(float, rgb))
    if saturation < 0.12:
        return (
            "black"
            if value < 0.15
            else "dark grey"
            if value < 0.35
            else "grey"
            if value < 0.65
            else "light grey"
            if value < 0.82
            else "white"
        )
    name = next(word for limit, word in HUES if hue * 360.0 < limit)
    if name == "yellow" and saturation < 0.45:
        name = "beige" if value > 0.6 else "brown"
    shade = "dark " if value < 0.3 else "light " if value > 0.7 else ""
    return shade + name
