# SPDX-License-Identifier: Apache-2.0
"""Writes ``models/<id>/``: weights and ``model.toml`` of a model of any kind."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from texgen.maps import MATERIAL_MAPS, MapKind
from texgen.modelcard import compute_digest
from texgen_server.training.catalog import OWN_LICENCE

WEIGHTS_FILE = "weights.safetensors"
LOSS_NETWORK = "EfficientNet-lite0 (ImageNet), used frozen in training, not shipped"

Table = dict[str, Any]


class Sourced(Protocol):
    """A training asset of any kind."""

    @property
    def publisher(self) -> str: ...

    @property
    def licence(self) -> str: ...


def write_folder(
    folder: Path,
    model: Table,
    tensors: dict[str, NDArray[Any]],
    network: Table,
    sizes: Table,
    data: Table,
    classes: list[Table],
    controls: list[Table],
    maps: Sequence[MapKind] = MATERIAL_MAPS,
) -> None:
    """Write weights and ``model.toml`` into ``folder``, which names the model.

    ``model`` says title, kind and version.
    """
    folder.mkdir(parents=True, exist_ok=True)
    save_file({k: np.ascontiguousarray(v) for k, v in tensors.items()}, folder / WEIGHTS_FILE)
    weights = {WEIGHTS_FILE: hashlib.sha256((folder / WEIGHTS_FILE).read_bytes()).hexdigest()}
    licence = data.get("data_licence", "CC0-1.0")
    data = _known_bias(folder) | data
    about = {
        "id": folder.name,
        **model,
        "licence": licence,
        "output_licence": licence,
        "digest": compute_digest(weights, network, classes, controls),
        "maps": [str(k) for k in maps],
    }
    tables = {"model": about, "sizes": sizes, "network": network, "weights": weights, "data": data}
    (folder / "model.toml").write_text(
        _toml(tables, {"class": classes, "control": controls}), encoding="utf-8"
    )


def _known_bias(folder: Path) -> Table:
    """Read the text about known bias in the model that is there: an export keeps it."""
    path = folder / "model.toml"
    if not path.is_file():
        return {}
    data = tomllib.loads(path.read_text(encoding="utf-8")).get("data", {})
    return {"known_bias": data["known_bias"]} if "known_bias" in data else {}


def data_table(assets: Sequence[Sourced], images: int, *, loss_network: bool = True) -> Table:
    """Return the table ``[data]``: publishers and licence of the training data, images trained on.

    ``loss_network`` says whether frozen features were part of the loss.
    """
    publishers = Counter(a.publisher for a in assets)
    table: Table = {
        "training_images": images,
        "training_assets": len(assets),
        "data_licence": "CC0-1.0" if all(a.licence != OWN_LICENCE for a in assets) else OWN_LICENCE,
        "publishers": [f"{name}: {count}" for name, count in sorted(publishers.items())],
    }
    if loss_network:
        table["loss_network"] = LOSS_NETWORK
    return table


def _toml(tables: dict[str, Table], lists: dict[str, list[Table]]) -> str:
    """Write tables of scalars and flat lists as TOML.

    JSON's literals are TOML's for everything that is written here.
    """
    lines = [
        "# SPDX-License-Identifier: CC0-1.0",
        "# Written by the export of training; a change by hand breaks the digest, but in [data].",
        "",
    ]
    for name, table in tables.items():
        lines += [f"[{name}]", *_entries(table), ""]
    for name, items in lists.items():
        for item in items:
            lines += [f"[[{name}]]", *_entries(item), ""]
    return "\n".join(lines)


def _entries(table: Table) -> list[str]:
    return [f"{json.dumps(k)} = {json.dumps(v, ensure_ascii=False)}" for k, v in table.items()]


def control(
    name: str,
    label: str,
    description: str,
    limits: tuple[float, float, float],
    *,
    unit: str = "",
    post_process: bool = True,
) -> dict[str, Any]:
    """Return a ``[[control]]`` entry; ``limits`` are the least, the default and the greatest value,
    in ``unit``.
    """
    minimum, default, maximum = limits
    return {
        "name": name,
        "label": label,
        "description": description,
        "unit": unit,
        "minimum": minimum,
        "maximum": maximum,
        "default": default,
        "post_process": post_process,
    }
