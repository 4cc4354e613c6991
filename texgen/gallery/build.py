# SPDX-License-Identifier: Apache-2.0
"""Writes ``gallery.html`` for the sets of a folder and, for each set, a file of small pictures that
the page loads when it is opened.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from texgen.errors import InvalidRequestError
from texgen.export.ktx2 import decode_ktx2
from texgen.export.packing import file_name
from texgen.export.preset import load_preset
from texgen.files.checks import tileability
from texgen.files.document import Sidecar
from texgen.files.material import write_files
from texgen.inputs.pictures import read_picture_file
from texgen.maps import MapKind, Pixels, to_unit
from texgen.render.shading import render_lit

PAGE, FOLDER = "gallery.html", "gallery"
CARD_PX, BALL_PX, STRIP_PX = 192, 512, 96
DEFAULTS = {
    MapKind.NORMAL: (0.5, 0.5, 1.0),
    MapKind.ROUGHNESS: (0.7,),
    MapKind.METALLIC: (0.0,),
    MapKind.AO: (1.0,),
    MapKind.BASECOLOR: (0.5,) * 3,
}
"""Values that replace a missing map."""
Array = NDArray[np.float32]


def sets_in(folder: Path) -> Iterator[tuple[str, Sidecar]]:
    """Yield (stem, sidecar) of texgen's sets in a folder, sorted by name."""
    for path in sorted(folder.glob("*.json")):
        try:
            sidecar = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if (
            isinstance(sidecar, dict)
            and str(sidecar.get("generator", "")).startswith("texgen")
            and "files" in sidecar
            and "size_px" in sidecar
        ):
            yield path.stem, sidecar


def write_gallery(folder: Path, title: str = "Textures") -> tuple[Path, list[str]]:
    """Write the page beside the sets.

    Returns its path and the reasons why sets were left out. Raises InvalidRequestError where no set
    is left.
    """
    cards, skipped = [], []
    (folder / FOLDER).mkdir(exist_ok=True)
    for stem, sidecar in sets_in(folder):
        target = folder / FOLDER / f"{stem}.js"
        try:
            maps = maps_of(folder, stem, sidecar)
        except InvalidRequestError as error:
            skipped.append(f"{stem}: {error}")
            continue
        small = _shrink(maps, BALL_PX)
        target.write_text(
            f"texgen.add({json.dumps(stem)}, {json.dumps(_pictures(small))});\n", encoding="utf-8"
        )
        cards.append(_card(stem, sidecar, maps, small))
    if not cards:
        raise InvalidRequestError(
            f"{folder} holds no texture set of texgen: {'; '.join(skipped) or 'no sidecar'}",
            "source",
        )
    page = resources.files("texgen.gallery").joinpath("page.html").read_text(encoding="utf-8")
    safe = json.dumps(cards).replace("<", "\\u003c")
    text = (
        page.replace("/*SETS*/[]", safe)
        .replace("<h1>Textures", f"<h1>{_escape(title)}")
        .replace("<title>Textures", f"<title>{_escape(title)}")
    )
    (written,) = write_files({PAGE: text.encode()}, folder, force=True)
    return written, skipped


def maps_of(folder: Path, stem: str, sidecar: Sidecar) -> dict[MapKind, Pixels]:
    """Read the maps of a set, also where a preset packed them; normals with +Y up.

    Raises InvalidRequestError.
    """
    files = sidecar["files"]
    if isinstance(files, Mapping):
        return {
            MapKind(kind): read_picture_file(folder / name).pixels
            for kind, name in files.items()
            if name.endswith(".png")
        }
    preset = load_preset(str(sidecar.get("preset", "")))
    maps: dict[MapKind, dict[int, NDArray[Any]]] = {}
    for layout in preset.files:
        path = folder / file_name(layout, stem)
        if layout.format == "exr" or path.name not in files:
            continue
        pixels: Pixels = (
            decode_ktx2(path.read_bytes())
            if layout.format == "ktx2"
            else read_picture_file(path).pixels
        )
        if border := preset.padding_px:
            pixels = pixels[border:-border, border:-border]
        for place, channel in enumerate(layout.channels):
            if channel.kind is not None:
                inverted = channel.inverted != (
                    channel.kind is MapKind.NORMAL
                    and channel.index == 1
                    and preset.normal == "directx"
                )
                plane = pixels[..., place]
                maps.setdefault(channel.kind, {})[channel.index] = (
                    np.invert(plane) if inverted else plane
                )
    return {kind: np.dstack([planes[i] for i in sorted(planes)]) for kind, planes in maps.items()}


def _shrink(maps: Mapping[MapKind, Pixels], edge: int) -> dict[MapKind, Array]:
    """Shrink the maps to float32 in [0, 1] of at most ``edge`` px; missing ones become uniform."""
    height, width = next(iter(maps.values())).shape[:2]
    scale = min(1.0, edge / max(height, width))
    size = max(1, round(height * scale)), max(1, round(width * scale))
    small = {kind: _resize(to_unit(pixels), size) for kind, pixels in maps.items()}
    return {
        kind: np.broadcast_to(np.array(value, np.float32), (*size, len(value)))
        for kind, value in DEFAULTS.items()
        if kind not in small
    } | small


def _resize(unit: Array, size: tuple[int, int]) -> Array:
    planes = [
        np.asarray(Image.fromarray(unit[..., i]).resize((size[1], size[0]), Image.Resampling.BOX))
        for i in range(unit.shape[2])
    ]
    return np.dstack(planes)


def _lit(small: Mapping[MapKind, Array]) -> NDArray[np.uint8]:
    normal = small[MapKind.NORMAL] * 2.0 - 1.0
    normal = normal / np.maximum(np.linalg.norm(normal, axis=2, keepdims=True), 1e-3)
    roughness, metallic, ao = (
        small[kind][..., 0] for kind in (MapKind.ROUGHNESS, MapKind.METALLIC, MapKind.AO)
    )
    return render_lit(
        small[MapKind.BASECOLOR][..., :3], normal.astype(np.float32), roughness, metallic, ao
    )


def _pictures(small: Mapping[MapKind, Array]) -> dict[str, str | dict[str, str]]:
    """Return the pictures that the page shows of one set, as data URIs."""
    orm = np.dstack(
        [small[kind][..., 0] for kind in (MapKind.AO, MapKind.ROUGHNESS, MapKind.METALLIC)]
    )
    strip = {str(kind): _uri(_to_bytes(values), STRIP_PX) for kind, values in small.items()}
    square = {
        "basecolor": small[MapKind.BASECOLOR][..., :3],
        "normal": small[MapKind.NORMAL][..., :3],
        "orm": orm,
    }
    pictures: dict[str, str | dict[str, str]] = {
        name: _uri(_to_bytes(values), square_px=BALL_PX) for name, values in square.items()
    }
    return pictures | {"lit": _uri(_lit(small)), "strip": strip}


def _card(
    stem: str,
    sidecar: Sidecar,
    maps: Mapping[MapKind, Pixels],
    small: Mapping[MapKind, Array],
) -> Sidecar:
    return {
        "stem": stem,
        "lit": _uri(_lit(small), CARD_PX),
        "size": sidecar["size_px"],
        "seed": sidecar.get("seed", ""),
        "recipe": sidecar.get("recipe", ""),
        "model": str(sidecar.get("model_digest", ""))[:12],
        "engine": sidecar.get("engine", ""),
        "licence": sidecar.get("output_licence", ""),
        "preset": sidecar.get("preset", ""),
        "tileability": {str(kind): round(tileability(pixels), 3) for kind, pixels in maps.items()},
        "controls": sidecar.get("controls", {}),
    }


def _to_bytes(values: Array) -> NDArray[np.uint8]:
    return np.round(np.clip(values, 0.0, 1.0) * 255.0).astype(np.uint8)


def _uri(pixels: NDArray[np.uint8], edge: int = 0, *, square_px: int = 0) -> str:
    """Encode a WebP file as a data URI.

    ``square_px`` gives a square of a power of two, which old graphics cards can repeat.
    """
    picture = Image.fromarray(
        pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels
    ).convert("RGB")
    if square_px:
        side = 1 << max(2, min(square_px, max(picture.size)).bit_length() - 1)
        picture = picture.resize(
            (side, side),
            Image.Resampling.BICUBIC if side > min(picture.size) else Image.Resampling.BOX,
        )
    elif edge:
        picture.thumbnail((edge, edge), Image.Resampling.BOX)
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=88, method=2)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
