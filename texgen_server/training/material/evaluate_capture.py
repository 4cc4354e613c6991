# SPDX-License-Identifier: Apache-2.0
"""Measures captures for ``texgen eval material --captures``: photographs of held-out materials,
beside the nearest training material recoloured.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from texgen.maps import MapKind, from_unit, to_unit
from texgen.modelcard import find_card
from texgen.recipes.recipe import Recipe
from texgen_server.backends.torch_backend import TorchBackend
from texgen_server.capture.networks import CaptureNetworks
from texgen_server.capture.options import CaptureOptions
from texgen_server.capture.search import capture, nearest_rows
from texgen_server.material.sampling import make_plan
from texgen_server.material.synthesis import Synthesis
from texgen_server.networks.channels import BASECOLOR
from texgen_server.registry import MaterialModel, load_material
from texgen_server.training.catalog import read_catalog, read_split, split_rows
from texgen_server.training.devices import evaluation_device
from texgen_server.training.material.data import Pack, prepared_pack
from texgen_server.training.material.evaluate import Embedder, MaterialEvalOptions

PHOTO_PX = 512
JUDGED_PX = 256
CAPTURE_SEED = 7
MIN_DEVIATION = 1e-6
SHEET_PX = (900, 4000)
"""Largest width and height of the sheet."""

Picture = NDArray[np.float32]


@dataclass
class _Comparison:
    """Distances of captures and of the baseline from their photographs."""

    ours: list[float] = field(default_factory=list)
    baseline: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    sheet: list[Picture] = field(default_factory=list)
    """(H, 3 W, 3) photograph, capture and baseline side by side."""


def evaluate_captures(options: MaterialEvalOptions, pictures: Path | None = None) -> dict[str, Any]:
    """Return distances in EfficientNet-lite1 features, in deviations between training materials, of
    captures and of the baseline from the photographs.

    The capture itself runs on the CPU, as it is served. With ``pictures`` a sheet is written into
    that folder: photograph, capture, baseline.
    """
    pack = prepared_pack(options.data, read_catalog(options.data), options.work / "pack")
    model = load_material(find_card(options.model, options.models))
    device = evaluation_device(options.device)
    backend, embed = TorchBackend(model, str(device)), Embedder(device)
    found = _compare(pack, model, backend, embed)
    if pictures:
        _write_sheet(found.sheet, pictures / "captures.webp")
    ours, baseline = np.array(found.ours), np.array(found.baseline)
    return {
        "materials": len(ours),
        "capture": float(np.mean(ours)),
        "nearest training material, recoloured": float(np.mean(baseline)),
        "capture is nearer": float(np.mean(ours < baseline)),
        "seconds (median)": float(np.median(found.seconds)),
        "seconds (longest)": float(np.max(found.seconds)),
    }


def _compare(
    pack: Pack, model: MaterialModel, backend: TorchBackend, embed: Embedder
) -> _Comparison:
    """Capture a photograph of each held-out material and measure it."""
    networks, found = CaptureNetworks(model), _Comparison()
    members = [a for c in model.card.classes for a in c.materials]
    rows = [pack.assets.index(m) for m in members]
    scale = embed(torch.from_numpy(_colors(pack, rows, JUDGED_PX))).std(0) + MIN_DEVIATION
    for index in split_rows(pack.assets, read_split())[1]:
        photo = _colors(pack, [index], PHOTO_PX)[0].transpose(1, 2, 0)
        started = time.monotonic()
        size = CaptureOptions(CAPTURE_SEED, (JUDGED_PX, JUDGED_PX))
        recipe = capture(networks, photo, size, lambda: None, lambda _: None)
        found.seconds.append(time.monotonic() - started)
        made = _generated(model, backend, recipe)
        other = _recoloured(pack, rows[nearest_rows(networks, photo)[0]], photo)
        real = _colors(pack, [index], JUDGED_PX)[0]
        vectors = embed(torch.from_numpy(np.stack([real, made, other])))
        ours, baseline = (np.abs(v - vectors[0]) / scale for v in vectors[1:])
        found.ours.append(float(ours.mean()))
        found.baseline.append(float(baseline.mean()))
        found.sheet.append(np.concatenate([real, made, other], 2).transpose(1, 2, 0))
    return found


def _colors(pack: Pack, index: list[int], size_px: int) -> Picture:
    """Return the basecolors (N, 3, S, S) of materials in [0, 1]."""
    return to_unit(pack.maps[size_px][index][:, BASECOLOR])


def _generated(model: MaterialModel, backend: TorchBackend, recipe: Recipe) -> Picture:
    """Return the basecolor (3, S, S) of a recipe in [0, 1]."""
    synthesis = Synthesis(backend, model.shape)
    maps, _ = synthesis.maps(make_plan(recipe, model.tables, model.shape))
    return to_unit(maps[MapKind.BASECOLOR].transpose(2, 0, 1))


def _recoloured(pack: Pack, index: int, photo: Picture) -> Picture:
    """Return a training material with the photograph's mean and deviation in each channel."""
    color = _colors(pack, [index], JUDGED_PX)[0]
    mean, deviation = (f(color.reshape(3, -1), 1)[:, None, None] for f in (np.mean, np.std))
    photo_mean, photo_deviation = (
        f(photo.reshape(-1, 3), 0)[:, None, None] for f in (np.mean, np.std)
    )
    shifted: Picture = np.clip(
        (color - mean) / np.maximum(deviation, 1e-3) * photo_deviation + photo_mean, 0.0, 1.0
    )
    return shifted.astype(np.float32)


def _write_sheet(rows: list[Picture], path: Path) -> None:
    columns = [np.concatenate(rows[i::2][: len(rows) // 2], 0) for i in range(2)]
    image = Image.fromarray(from_unit(np.concatenate(columns, 1), np.uint8, half_to_even=True))
    image.thumbnail(SHEET_PX)
    image.save(path, quality=70)
