# SPDX-License-Identifier: Apache-2.0
"""Reads and writes a folder of prepared exemplars: one safetensors file each, and an index.

Codec training, layout and bank read it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file

from texgen.errors import InvalidRequestError
from texgen.maps import from_unit, to_unit
from texgen_server.training.catalog import Asset, read_catalog
from texgen_server.training.exemplars.families import Layout, read_classes, read_layouts
from texgen_server.training.exemplars.prepare import (
    CHANNELS,
    HEIGHT,
    NORMAL,
    About,
    Exemplar,
    read_scan,
)

INDEX_FILE = "exemplars.json"
GRIDS = ("own", "small")
"""Names of the sizes that a pack holds: the exemplar's own grid, which keeps all stored detail, and
the one near 512 px.
"""

Array = NDArray[np.float32]


@dataclass(frozen=True)
class CataloguedSet:
    """A material set with its row of the table of layouts."""

    asset: Asset
    layout: Layout
    material_class: str

    def grids(self) -> dict[str, tuple[int, int]]:
        """Return height and width in pixels by the name of the grid; "own" only where it differs
        from "small".
        """
        small, own = self.layout.small_grid_px, self.layout.grid_px
        return {"small": small} if own == small else {"small": small, "own": own}


def catalogued_sets(data: Path) -> list[CataloguedSet]:
    """Read all sets of ``data``, sorted by asset id.

    Raises InvalidRequestError when a table is missing or lacks a set.
    """
    assets, layouts, classes = (
        read_catalog(data),
        read_layouts(data / "families.csv"),
        read_classes(data / "classes.csv"),
    )
    unknown = [a.asset_id for a in assets if a.asset_id not in layouts]
    if unknown:
        raise InvalidRequestError(
            f"families.csv has no row for "
            f"{', '.join(unknown[:5])}{' ...' if len(unknown) > 5 else ''}"
        )
    return [
        CataloguedSet(
            a, layouts[a.asset_id], classes.get(a.asset_id, layouts[a.asset_id].material_class)
        )
        for a in assets
    ]


@dataclass
class Pack:
    """A prepared folder."""

    folder: Path
    about: dict[str, About]
    grids: dict[str, dict[str, tuple[int, int]]] = field(default_factory=dict)
    """Height and width in pixels of each of `GRIDS`, for each asset."""

    def read(self, asset_id: str, grid: str) -> Exemplar:
        """Read an exemplar at one of `GRIDS`.

        Raises InvalidRequestError when it is not in the pack.
        """
        path = exemplar_file(self.folder, asset_id, grid)
        if not path.is_file():
            raise InvalidRequestError(
                f"no exemplar {asset_id!r} at {grid!r} in {self.folder}: run `texgen bank "
                f"prepare` first"
            )
        return read_exemplar(path)

    def ids(self) -> list[str]:
        """Return the asset ids, sorted."""
        return sorted(self.about)


def exemplar_file(folder: Path, asset_id: str, grid: str) -> Path:
    """Return the path of an exemplar in a pack."""
    return folder / grid / f"{asset_id}.safetensors"


def prepare_pack(
    data: Path, out: Path, jobs: int = 1, only: list[str] | None = None
) -> Iterator[tuple[int, int, str]]:
    """Prepare every set of ``data`` that ``out`` does not hold yet; yields (number, of how many,
    asset id) as they finish.

    The index is written at the end. Raises InvalidRequestError for missing tables or unreadable
    sets.
    """
    sets = [s for s in catalogued_sets(data) if only is None or s.asset.asset_id in only]
    for grid in GRIDS:
        (out / grid).mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(jobs) as pool:
        for number, asset_id in enumerate(pool.map(partial(_prepare_one, data, out), sets), 1):
            yield number, len(sets), asset_id
    _write_index(out, [s.asset.asset_id for s in sets])


def read_pack(folder: Path) -> Pack:
    """Read a pack's index. Raises InvalidRequestError when there is none."""
    path = folder / INDEX_FILE
    if not path.is_file():
        raise InvalidRequestError(
            f"no {INDEX_FILE} in {folder}: run `texgen bank prepare --data DATA --out "
            f"{folder}` first"
        )
    index = json.loads(path.read_text(encoding="utf-8"))
    about = {key: _about(value["about"]) for key, value in index.items()}
    return Pack(
        folder,
        about,
        {key: {g: tuple(v) for g, v in value["grids"].items()} for key, value in index.items()},
    )


def write_exemplar(exemplar: Exemplar, path: Path) -> None:
    """Write maps and what is known of them, atomically: 8 bits a channel, 16 for height."""
    maps = exemplar.maps.copy()
    maps[..., NORMAL] = maps[..., NORMAL] * 0.5 + 0.5
    eight = from_unit(np.delete(maps, HEIGHT, -1), np.uint8, half_to_even=True)
    sixteen = from_unit(maps[..., HEIGHT], np.uint16, half_to_even=True)
    temporary = path.with_suffix(".partial")
    save_file(
        {"maps": eight, "height": sixteen},
        temporary,
        {"about": json.dumps(exemplar.about.as_json())},
    )
    temporary.replace(path)


def read_exemplar(path: Path) -> Exemplar:
    """Read what `write_exemplar` wrote; values are within half a step of each channel."""
    with safe_open(path, "numpy") as file:
        eight, sixteen, about = (
            file.get_tensor("maps"),
            file.get_tensor("height"),
            json.loads(file.metadata()["about"]),
        )
    maps = np.insert(
        to_unit(eight),
        HEIGHT,
        to_unit(sixteen),
        -1,
    )
    maps[..., NORMAL] = maps[..., NORMAL] * 2.0 - 1.0
    assert maps.shape[-1] == len(CHANNELS)
    return Exemplar(maps, _about(about))


def _about(values: dict[str, object]) -> About:
    return About(**(values | {"corrections": tuple(values["corrections"])}))  # type: ignore[arg-type]


def _prepare_one(data: Path, out: Path, item: CataloguedSet) -> str:
    asset_id, grids = item.asset.asset_id, item.grids()
    missing = {
        grid: size
        for grid, size in grids.items()
        if not exemplar_file(out, asset_id, grid).is_file()
    }
    if missing:
        scan = read_scan(data, item.asset, item.layout, item.material_class)
        for grid, size in missing.items():
            write_exemplar(scan.at(size), exemplar_file(out, asset_id, grid))
    return asset_id


def _write_index(out: Path, assets: list[str]) -> None:
    index = {}
    for asset_id in assets:
        grids = {}
        for grid in (g for g in GRIDS if exemplar_file(out, asset_id, g).is_file()):
            with safe_open(exemplar_file(out, asset_id, grid), "numpy") as file:
                grids[grid] = list(file.get_slice("height").get_shape())
                about = json.loads(file.metadata()["about"])
        index[asset_id] = {"about": about, "grids": grids}
    (out / INDEX_FILE).write_text(json.dumps(index, indent=0), encoding="utf-8")
