# SPDX-License-Identifier: Apache-2.0
"""Writes the model folder of a training state, which a server can read: averaged weights as float16
safetensors, and ``model.toml``.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file

from texgen.maps import to_unit
from texgen.modelcard import read_card
from texgen_server.networks.channels import BASECOLOR
from texgen_server.networks.frozen_features import FrozenFeatures
from texgen_server.networks.image_statistics import tap_moments
from texgen_server.networks.params import CELL_PX, MaterialParams
from texgen_server.registry import DIRECTION_PREFIX, NETWORK_PREFIX, load_material
from texgen_server.training.catalog import Asset
from texgen_server.training.material.controls import CONTROLS, LATENT_CONTROLS
from texgen_server.training.material.directions import find_directions
from texgen_server.training.material.tags import write_tags
from texgen_server.training.model_folder import data_table, write_folder
from texgen_server.training.state import network_tensors, read_metadata

WEIGHTS_FILE = "weights.safetensors"


@dataclass(frozen=True)
class Export:
    """The content of a model folder."""

    generator: dict[str, NDArray[np.float32]]
    codes: NDArray[np.float32]  # one row per training asset of ``assets``
    waves: NDArray[np.int16]
    amplitudes: NDArray[np.complex64]
    colors: NDArray[np.float32]
    """Mean basecolor (N, 3), sRGB in 0..1."""
    moments: NDArray[np.float32]
    """Moments (N, 2, D) of frozen features of the basecolor, in colour and in grey (`tap_moments`).
    """
    assets: list[Asset]
    params: MaterialParams
    version: str
    data: dict[str, Any]
    directions: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    """Latent control -> vector (style_dim,) that one unit of it adds to the style."""


def class_table(assets: list[Asset]) -> tuple[list[dict[str, Any]], list[int]]:
    """Return the ``[[class]]`` entries and the row order of the exported tables.

    Classes come first, by name; then one preset for each asset of a preset class (``terrazzo_1``,
    ``terrazzo_2`` when there are two).
    """
    groups: dict[tuple[bool, str], list[int]] = {}
    for i, asset in enumerate(assets):
        groups.setdefault((asset.preset, asset.material_class), []).append(i)
    classes, order = [], []
    for (preset, name), rows in sorted(groups.items()):
        if preset:
            for n, row in enumerate(rows, 1):
                label = name if len(rows) == 1 else f"{name}_{n}"
                classes.append({"name": label, "preset": True, "materials": [assets[row].asset_id]})
                order.append(row)
        else:
            classes.append(
                {"name": name, "preset": False, "materials": [assets[row].asset_id for row in rows]}
            )
            order += rows
    return classes, order


def write_model(export: Export, folder: Path) -> None:
    """Write weights and ``model.toml`` into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    classes, order = class_table(export.assets)
    tensors: dict[str, NDArray[Any]] = {
        f"{NETWORK_PREFIX}{k}": v.astype(np.float16) for k, v in sorted(export.generator.items())
    }
    tensors["codes"] = export.codes[order].astype(np.float16)
    tensors["colors"] = export.colors[order].astype(np.float16)
    tensors["moments"] = export.moments[order].astype(np.float16)
    tensors |= {
        f"{DIRECTION_PREFIX}{name}": v.astype(np.float16) for name, v in export.directions.items()
    }
    tensors["layout/waves"] = export.waves[order].astype(np.int8)
    tensors["layout/real"] = export.amplitudes[order].real.astype(np.float16)
    tensors["layout/imaginary"] = export.amplitudes[order].imag.astype(np.float16)
    params = export.params
    controls = [
        *CONTROLS,
        *(LATENT_CONTROLS[name] for name in LATENT_CONTROLS if name in export.directions),
    ]
    network = {
        "code_dim": params.code_dim,
        "style_dim": params.style_dim,
        "noise_channels": params.noise_channels,
        "widths": list(params.widths),
        "cell_px": CELL_PX,
    }
    model = {"title": "Materials", "kind": "material", "version": export.version}
    sizes = {"multiple_px": CELL_PX, "min_edge_px": CELL_PX, "max_edge_px": 8192}
    write_folder(folder, model, tensors, network, sizes, export.data, classes, controls)


def export_state(
    state: Path, pack: Path, assets: list[Asset], held: set[str], folder: Path, version: str
) -> None:
    """Write a model folder from a training state; only training assets go in, in any case.

    It is written twice: latent directions are found in the model as users will have it, then added.
    """
    tensors = load_file(state)
    meta = json.loads((pack / "pack.json").read_text(encoding="utf-8"))
    layout = np.load(pack / "layout.npz")
    train = [a for a in assets if a.asset_id not in held]
    rows = [meta["assets"].index(a.asset_id) for a in train]
    export = Export(
        generator=network_tensors(tensors, "ema_generator"),
        codes=tensors["ema_codes/table"][rows],
        waves=layout["waves"][rows],
        amplitudes=layout["amplitudes"][rows],
        colors=mean_colors(pack)[rows],
        moments=color_moments(pack, rows),
        assets=train,
        params=MaterialParams(),
        version=version,
        data=data_table(train, int(read_metadata(state)["images"])),
    )
    write_model(export, folder)
    write_model(
        replace(export, directions=find_directions(load_material(read_card(folder)))), folder
    )
    write_tags(folder, pack)
    write_data_sheet(folder, assets, held)


def mean_colors(pack: Path) -> NDArray[np.float32]:
    """Return the mean basecolor (N, 3) of every material of a pack, sRGB in 0..1."""
    maps = np.load(pack / "maps_128.npy", mmap_mode="r")
    means: NDArray[np.float32] = to_unit(maps[:, BASECOLOR]).mean((2, 3))
    return means


def write_data_sheet(folder: Path, assets: list[Asset], held: set[str]) -> None:
    """Write ``DATA.md``: every asset with publisher, licence and source, the balance of the
    classes, what follows from it.
    """
    train = [a for a in assets if a.asset_id not in held]
    sizes = Counter(a.material_class for a in train)
    lines = [
        "# Training data",
        "",
        f"{len(train)} materials were trained on, {len(assets) - len(train)} were held out. "
        f"Written from the catalogue by the export.",
        "",
        "## Balance",
        "",
        "| class | trained on |",
        "|---|---|",
        *(f"| {name} | {count} |" for name, count in sizes.most_common()),
        "",
        f"A class was drawn with the square root of its size: the largest has "
        f"{max(sizes.values())}, the smallest {min(sizes.values())}. What",
        "a class lacks here it cannot make; publishers of such scans favour European and North "
        "American building materials.",
        "",
        "## Assets",
        "",
        "| asset | class | publisher | licence | source | part |",
        "|---|---|---|---|---|---|",
        *(
            (
                f"| {a.asset_id} | {a.material_class} | {a.publisher} | {a.licence} | {a.source} | "
                f"{'held out' if a.asset_id in held else 'train'} |"
            )
            for a in assets
        ),
    ]
    (folder / "DATA.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def color_moments(pack: Path, rows: list[int]) -> NDArray[np.float32]:
    """Return moments (N, 2, D) of frozen features of these materials' basecolor, in colour and in
    grey.
    """
    maps, features = (
        np.load(pack / "maps_256.npy", mmap_mode="r"),
        FrozenFeatures("efficientnet-lite0"),
    )
    out = []
    with torch.no_grad():
        for row in rows:
            color = torch.from_numpy(to_unit(maps[row, BASECOLOR]))
            grey = color.mean(0, keepdim=True).expand(3, -1, -1)
            out.append(tap_moments(features(torch.stack([color, grey]) * 2.0 - 1.0)).numpy())
    return np.stack(out)
