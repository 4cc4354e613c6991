# SPDX-License-Identifier: Apache-2.0
"""Training state -> a model folder that a server can read: EMA weights as float16 safetensors, and ``model.toml``."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from texgen.maps import MapKind
from texgen.modelcard import compute_digest
from texgen_server.networks.material import CELL_PX, MaterialParams
from texgen_server.training.catalog import Asset

WEIGHTS_FILE = "weights.safetensors"

CONTROLS: list[dict[str, Any]] = [
    {
        "name": "tile_px",
        "label": "Tile size",
        "description": "Pixels that one tile of the material takes: a smaller value shows more, smaller features.",
        "unit": "px",
        "minimum": 128.0,
        "maximum": 512.0,
        "default": 512.0,
        "post_process": False,
    },
    {
        "name": "regularity",
        "label": "Regularity",
        "description": "Strength of the regular layout, such as brick courses and joints; 0 leaves only what is random.",
        "unit": "",
        "minimum": 0.0,
        "maximum": 1.5,
        "default": 1.0,
        "post_process": False,
    },
    {
        "name": "relief_depth",
        "label": "Relief depth",
        "description": "Multiplies the height range, and with it the slopes of the normal map.",
        "unit": "",
        "minimum": 0.0,
        "maximum": 4.0,
        "default": 1.0,
        "post_process": True,
    },
    {
        "name": "roughness_offset",
        "label": "Roughness offset",
        "description": "Added to the roughness map: negative is shinier.",
        "unit": "",
        "minimum": -0.5,
        "maximum": 0.5,
        "default": 0.0,
        "post_process": True,
    },
    {
        "name": "tile_size_m",
        "label": "Real tile size",
        "description": "Edge of one tile in metres; changes no pixel, only the metadata and the displacement scale.",
        "unit": "m",
        "minimum": 0.01,
        "maximum": 100.0,
        "default": 1.0,
        "post_process": True,
    },
]


@dataclass(frozen=True)
class Export:
    """What goes into a model folder."""

    generator: dict[str, NDArray[np.float32]]
    codes: NDArray[np.float32]  # one row per training asset of ``assets``
    waves: NDArray[np.int16]
    amplitudes: NDArray[np.complex64]
    assets: list[Asset]
    params: MaterialParams
    version: str
    data: dict[str, Any]


def class_table(assets: list[Asset]) -> tuple[list[dict[str, Any]], list[int]]:
    """``[[class]]`` entries and the row order of the exported tables.

    Classes first, by name; then one preset for each asset of a preset class (``terrazzo_1``, ``terrazzo_2`` when there are two).
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
            classes.append({"name": name, "preset": False, "materials": [assets[row].asset_id for row in rows]})
            order += rows
    return classes, order


def write_model(export: Export, folder: Path) -> None:
    """Write weights and ``model.toml`` into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    classes, order = class_table(export.assets)
    tensors: dict[str, NDArray[Any]] = {f"generator/{k}": v.astype(np.float16) for k, v in sorted(export.generator.items())}
    tensors["codes"] = export.codes[order].astype(np.float16)
    tensors["layout/waves"] = export.waves[order].astype(np.int8)
    tensors["layout/real"] = export.amplitudes[order].real.astype(np.float16)
    tensors["layout/imaginary"] = export.amplitudes[order].imag.astype(np.float16)
    save_file({k: np.ascontiguousarray(v) for k, v in tensors.items()}, folder / WEIGHTS_FILE)
    weights = {WEIGHTS_FILE: hashlib.sha256((folder / WEIGHTS_FILE).read_bytes()).hexdigest()}
    params = export.params
    network = {
        "code_dim": params.code_dim,
        "style_dim": params.style_dim,
        "noise_channels": params.noise_channels,
        "widths": list(params.widths),
        "cell_px": CELL_PX,
    }
    model = {
        "id": folder.name,
        "title": "Materials",
        "kind": "material",
        "version": export.version,
        "licence": "CC0-1.0",
        "output_licence": "CC0-1.0",
        "digest": compute_digest(weights, network, classes, CONTROLS),
        "maps": [str(k) for k in MapKind],
    }
    sizes = {"multiple_px": CELL_PX, "min_edge_px": CELL_PX, "max_edge_px": 4096}
    tables: dict[str, dict[str, Any]] = {"model": model, "sizes": sizes, "network": network, "weights": weights, "data": export.data}
    lists = {"class": classes, "control": CONTROLS}
    (folder / "model.toml").write_text(_toml(tables, lists), encoding="utf-8")


def _toml(tables: dict[str, dict[str, Any]], lists: dict[str, list[dict[str, Any]]]) -> str:
    """Tables of scalars and flat lists -> TOML. JSON's literals are TOML's for all that is written here."""
    lines = ["# SPDX-License-Identifier: CC0-1.0", "# Written by the export of training; a change by hand breaks the digest.", ""]
    for name, table in tables.items():
        lines += [f"[{name}]", *_entries(table), ""]
    for name, items in lists.items():
        for item in items:
            lines += [f"[[{name}]]", *_entries(item), ""]
    return "\n".join(lines)


def _entries(table: dict[str, Any]) -> list[str]:
    return [f"{json.dumps(k)} = {json.dumps(v, ensure_ascii=False)}" for k, v in table.items()]


def export_state(state: Path, pack: Path, assets: list[Asset], held: set[str], folder: Path, version: str) -> None:
    """Write a model folder from a training state; only training assets go in, in any case."""
    tensors = load_file(state)
    meta = json.loads((pack / "pack.json").read_text(encoding="utf-8"))
    layout = np.load(pack / "layout.npz")
    train = [a for a in assets if a.asset_id not in held]
    rows = [meta["assets"].index(a.asset_id) for a in train]
    prefix = "ema_generator/"
    write_model(
        Export(
            generator={k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)},
            codes=tensors["ema_codes/table"][rows],
            waves=layout["waves"][rows],
            amplitudes=layout["amplitudes"][rows],
            assets=train,
            params=MaterialParams(),
            version=version,
            data=data_sheet(train, state),
        ),
        folder,
    )


def data_sheet(assets: list[Asset], state: Path) -> dict[str, Any]:
    """Where the training data came from, and how much training there was."""
    from safetensors import safe_open

    with safe_open(state, "np") as file:
        images = int(file.metadata()["images"])
    publishers: dict[str, int] = {}
    for asset in assets:
        publishers[asset.publisher] = publishers.get(asset.publisher, 0) + 1
    return {
        "training_images": images,
        "training_assets": len(assets),
        "data_licence": "CC0-1.0",
        "publishers": [f"{name}: {count}" for name, count in sorted(publishers.items())],
        "loss_network": "EfficientNet-lite0 (ImageNet), used frozen in training, not shipped",
    }
