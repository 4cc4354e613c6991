# SPDX-License-Identifier: Apache-2.0
"""``texgen eval material --captures``: photographs of held-out materials, captured, against the
nearest training material recoloured.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from texgen.maps import MapKind
from texgen.modelcard import find_card
from texgen_server.backends.torch_backend import TorchBackend
from texgen_server.capture.networks import CaptureNetworks
from texgen_server.capture.options import CaptureOptions
from texgen_server.capture.search import capture, nearest_rows
from texgen_server.material.sampling import make_plan
from texgen_server.material.synthesis import Synthesis
from texgen_server.registry import MaterialModel, load_material
from texgen_server.training.catalog import read_catalog, read_split
from texgen_server.training.material.data import Pack
from texgen_server.training.material.evaluate import Embedder, EvalOptions
from texgen_server.training.material.run import prepared_pack

PHOTO_PX = 512
JUDGED_PX = 256

Picture = NDArray[np.float32]


def evaluate_captures(options: EvalOptions, pictures: Path | None = None) -> dict[str, Any]:
    """Distance in EfficientNet-lite1 features, in deviations between training materials, of
    captures and of the baseline.

    With ``pictures`` a sheet is written into that folder: photograph, capture, baseline.
    """
    pack = prepared_pack(options.data, read_catalog(options.data), options.work / "pack")
    model = load_material(find_card(options.model, options.models))
    networks, embed = CaptureNetworks(model), Embedder()
    members = [a for c in model.card.classes for a in c.materials]
    held = [i for i, name in enumerate(pack.assets) if name in read_split()]
    scale = (
        embed(
            torch.from_numpy(_colors(pack, [pack.assets.index(m) for m in members], JUDGED_PX))
        ).std(0)
        + 1e-6
    )
    ours, baseline, seconds, sheet = [], [], [], []
    for index in held:
        photo = _colors(pack, [index], PHOTO_PX)[0].transpose(1, 2, 0)
        started = time.monotonic()
        recipe = capture(
            networks, photo, CaptureOptions(7, (JUDGED_PX, JUDGED_PX)), lambda: None, lambda _: None
        )
        seconds.append(time.monotonic() - started)
        made = _generated(model, recipe)
        other = _recoloured(
            pack, pack.assets.index(members[nearest_rows(networks, photo)[0]]), photo
        )
        real = _colors(pack, [index], JUDGED_PX)
        vectors = embed(torch.from_numpy(np.stack([real[0], made, other])))
        ours.append(float((np.abs(vectors[1] - vectors[0]) / scale).mean()))
        baseline.append(float((np.abs(vectors[2] - vectors[0]) / scale).mean()))
        sheet.append(np.concatenate([real[0], made, other], 2).transpose(1, 2, 0))
    if pictures:
        _write_sheet(sheet, pictures / "captures.webp")
    return {
        "materials": len(held),
        "capture": float(np.mean(ours)),
        "nearest training material, recoloured": float(np.mean(baseline)),
        "capture is nearer": float(np.mean(np.array(ours) < np.array(baseline))),
        "seconds (median)": float(np.median(seconds)),
        "seconds (longest)": float(np.max(seconds)),
    }


def _colors(pack: Pack, index: list[int], size_px: int) -> Picture:
    colors: Picture = pack.maps[size_px][index][:, :3].astype(np.float32) / np.float32(65535.0)
    return colors


def _generated(model: MaterialModel, recipe: Any) -> Picture:
    synthesis = Synthesis(TorchBackend(model, "cpu"), model.shape)
    maps, _ = synthesis.maps(make_plan(recipe, model.tables, model.shape))
    color: Picture = maps[MapKind.BASECOLOR].transpose(2, 0, 1).astype(np.float32) / np.float32(
        255.0
    )
    return color


def _recoloured(pack: Pack, index: int, photo: Picture) -> Picture:
    """A real training material with the photograph's mean and deviation in each channel."""
    color = _colors(pack, [index], JUDGED_PX)[0]
    mean, deviation = (f(color.reshape(3, -1), 1)[:, None, None] for f in (np.mean, np.std))
    wanted_mean, wanted_deviation = (
        f(photo.reshape(-1, 3), 0)[:, None, None] for f in (np.mean, np.std)
    )
    shifted: Picture = np.clip(
        (color - mean) / np.maximum(deviation, 1e-3) * wanted_deviation + wanted_mean, 0.0, 1.0
    )
    return shifted.astype(np.float32)


def _write_sheet(rows: list[Picture], path: Path) -> None:
    columns = [np.concatenate(rows[i::2][: len(rows) // 2], 0) for i in range(2)]
    image = Image.fromarray((np.concatenate(columns, 1) * 255).round().astype(np.uint8))
    image.thumbnail((900, 4000))
    image.save(path, quality=70)
