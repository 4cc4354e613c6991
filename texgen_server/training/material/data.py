# SPDX-License-Identifier: Apache-2.0
"""Training data of materials: texture sets on disk, packed into arrays, cut into batches.

A pack holds every material at several *densities* (pixels per tile), so that a crop of 128 px can
show a whole tile or a detail. Height is in units of the material's own range (``relief``), normals
are always derived from it, never stored.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from texgen.files.images import linear_to_srgb, srgb_to_linear
from texgen.maps import MapKind, from_unit, to_unit
from texgen_server.material.canvas import COARSE_PX
from texgen_server.networks.channels import (
    AO,
    BASECOLOR,
    HEIGHT,
    METALLIC,
    OUTPUT_CHANNELS,
    ROUGHNESS,
)
from texgen_server.networks.waves import layout_field, sample_places
from texgen_server.repair.normal_integration import integrate, slopes_from_normal
from texgen_server.training.catalog import Asset
from texgen_server.training.material.layout_fit import MAX_WAVES, fit_layout
from texgen_server.training.scanned_relief import ambient_occlusion, blend_scanned

DENSITIES = (128, 256, 512, 1024)
"""Pixels per tile that training crops are cut at: those that a material's scan resolves, the first
three always.
"""
ALWAYS = 512
"""Largest density that every material is used at; sets stored smaller are enlarged."""
STEPPED_NORMALS = {"Fabric010", "Fabric015"}
"""Sets whose normals have steps: their scanned height is used alone."""

PACK_CHANNELS = {
    MapKind.BASECOLOR: BASECOLOR,
    MapKind.HEIGHT: slice(HEIGHT, HEIGHT + 1),
    MapKind.ROUGHNESS: slice(ROUGHNESS, ROUGHNESS + 1),
    MapKind.METALLIC: slice(METALLIC, METALLIC + 1),
    MapKind.AO: slice(AO, AO + 1),
}
"""Map -> its channels in a pack, in the order of the generator's output."""

Array = NDArray[np.float32]


def _read(path: Path, mode: str) -> Array:
    """Read a picture in a mode of Pillow as float32 in [0, 1]."""
    with Image.open(path) as picture:
        if picture.mode.startswith("I"):  # 16 bits
            return to_unit(np.asarray(picture, np.uint16))
        return to_unit(np.asarray(picture.convert(mode)))


def _resize(channel: Array, size: int) -> Array:
    """Area-average a (H, W) array to (size, size)."""
    return np.asarray(
        Image.fromarray(channel).resize((size, size), Image.Resampling.BOX), np.float32
    )


def height_px(folder: Path, asset_id: str) -> Array:
    """Return the height of a set in pixels of its own resolution, mean 0: integrated normals
    blended with the scanned height, if any.
    """
    normal = _read(folder / "normal.webp", "RGB") * 2.0 - 1.0
    integrated = integrate(*slopes_from_normal(normal))
    scan_path = next(
        (p for p in (folder / "height.webp", folder / "height.png") if p.is_file()), None
    )
    if scan_path is None:
        return integrated
    scanned = _resize(_read(scan_path, "L"), integrated.shape[0])
    if asset_id in STEPPED_NORMALS:
        ratio = integrated.std() / max(1e-6, float(scanned.std()))
        return np.asarray((scanned - scanned.mean()) * ratio, np.float32)
    return blend_scanned(integrated, scanned)[0]


def load_set(folder: Path, asset: Asset, size: int) -> tuple[Array, float]:
    """Read one set at ``size`` px per tile.

    Returns (7, size, size) in [0, 1] (basecolor sRGB, height, roughness, metallic, ao) and the
    relief: the height's range, black to white, as a fraction of the tile's edge. A set that is
    stored at fewer px than ``size`` is enlarged.
    """
    height = height_px(folder, asset.asset_id)
    native = height.shape[0]
    relief_px = max(2.1 * float(np.quantile(np.abs(height), 0.999)), 1e-3 * native)
    unit = np.clip(0.5 + height / relief_px, 0.0, 1.0).astype(np.float32)
    basecolor = srgb_to_linear(_read(folder / "basecolor.webp", "RGB"))
    channels = [
        linear_to_srgb(_resize(np.ascontiguousarray(basecolor[..., i]), size)) for i in range(3)
    ]
    channels += [_resize(unit, size), _resize(_read(folder / "roughness.webp", "L"), size)]
    metallic = folder / "metallic.webp"
    channels.append(
        _resize(_read(metallic, "L"), size)
        if metallic.is_file()
        else np.full((size, size), asset.metallic_default, np.float32)
    )
    ao = folder / "ao.webp"
    channels.append(_resize(_read(ao, "L") if ao.is_file() else ambient_occlusion(height), size))
    return np.clip(np.stack(channels), 0.0, 1.0), relief_px / native


def native_px(folder: Path) -> int:
    """Return the resolution that a set is stored at, from its basecolor's header."""
    with Image.open(folder / "basecolor.webp") as picture:
        return int(picture.width)


def prepare(data: Path, assets: list[Asset], out: Path) -> None:
    """Write the pack: ``maps_<density>.npy`` (N, 7, d, d) uint16 (zeros where a set does not
    resolve it), ``layout.npz``, ``pack.json``.
    """
    out.mkdir(parents=True, exist_ok=True)
    stacks = {
        d: np.lib.format.open_memmap(
            out / f"maps_{d}.npy", "w+", np.uint16, (len(assets), OUTPUT_CHANNELS, d, d)
        )
        for d in DENSITIES
    }
    waves = np.zeros((len(assets), MAX_WAVES, 2), np.int16)
    amplitudes = np.zeros((len(assets), MAX_WAVES, 5), np.complex64)
    relief, native = [], []
    for i, asset in enumerate(assets):
        folder = data / "materials" / asset.asset_id
        native.append(native_px(folder))
        resolved = [d for d in DENSITIES if d <= max(ALWAYS, native[i])]
        maps, relief_tiles = load_set(folder, asset, max(resolved))
        relief.append(relief_tiles)
        for density in resolved:
            stacks[density][i] = from_unit(_shrink(maps, density), np.uint16, half_to_even=True)
        waves[i], amplitudes[i] = fit_layout(_shrink(maps, 256)[:5])
    for stack in stacks.values():
        stack.flush()
    np.savez(out / "layout.npz", waves=waves, amplitudes=amplitudes)
    meta = {
        "assets": [a.asset_id for a in assets],
        "classes": [a.material_class for a in assets],
        "relief": relief,
        "native_px": native,
    }
    (out / "pack.json").write_text(json.dumps(meta), encoding="utf-8")


def _shrink(maps: Array, size: int) -> Array:
    """Average (7, S, S) over squares of a whole factor; basecolor in linear light."""
    factor = maps.shape[1] // size
    linear = np.concatenate([srgb_to_linear(maps[BASECOLOR]), maps[BASECOLOR.stop :]])
    small = linear.reshape(maps.shape[0], size, factor, size, factor).mean((2, 4))
    return np.concatenate([linear_to_srgb(small[BASECOLOR]), small[BASECOLOR.stop :]])


@dataclass
class Batch:
    """Crops of scans with everything that the generator needs to make counterparts."""

    maps: Tensor  # (B, 7, P, P) in [0, 1]
    index: Tensor  # (B,) material
    origin_tiles: Tensor  # (B, 2) where in the tile the crop starts, (y, x)
    extent_tiles: float  # edge of the crop in tiles
    density: int  # px per tile


class Pack:
    """A prepared pack, memory-mapped."""

    def __init__(self, folder: Path) -> None:
        meta = json.loads((folder / "pack.json").read_text(encoding="utf-8"))
        self.assets: list[str] = meta["assets"]
        self.classes: list[str] = meta["classes"]
        self.relief = torch.tensor(meta["relief"], dtype=torch.float32)
        self.native_px = torch.tensor(meta["native_px"])
        self.maps = {d: np.load(folder / f"maps_{d}.npy", mmap_mode="r") for d in DENSITIES}
        layout = np.load(folder / "layout.npz")
        self.waves = layout["waves"].astype(np.float32)
        self.amplitudes = layout["amplitudes"]

    def resolves(self, density: int) -> Tensor:
        """Return (N,), true for materials that can be cut at a density."""
        return self.native_px.clamp_min(ALWAYS) >= density

    def crop(self, index: Tensor, density: int, size_px: int, generator: torch.Generator) -> Batch:
        """Cut a crop of ``size_px`` at a random place of each material; with ``size_px == density``
        it is a rolled whole tile.

        Corners lie on pixels of the tile at 256 px, so that a crop's guide is not blurred.
        """
        step = max(1, density // COARSE_PX)
        corner = torch.randint(density // step, (len(index), 2), generator=generator) * step
        out = np.empty((len(index), OUTPUT_CHANNELS, size_px, size_px), np.float32)
        for row, (material, (top, left)) in enumerate(
            zip(index.tolist(), corner.tolist(), strict=True)
        ):
            rows = (np.arange(size_px) + top) % density
            columns = (np.arange(size_px) + left) % density
            out[row] = self.maps[density][material][:, rows[:, None], columns[None]]
        return Batch(
            torch.from_numpy(out) / 65535.0, index, corner / density, size_px / density, density
        )

    def layouts(self, batch: Batch, sizes: list[int], device: torch.device) -> list[Tensor]:
        """Return the layout of each image of a batch on square grids of the given sizes."""
        index, origin = batch.index.numpy(), batch.origin_tiles.double().numpy()
        fields = []
        for n in sizes:
            down, right = (sample_places(origin[:, axis], batch.extent_tiles, n) for axis in (0, 1))
            step = (batch.extent_tiles / n, batch.extent_tiles / n)
            fields.append(
                torch.from_numpy(
                    layout_field(self.waves[index], self.amplitudes[index], down, right, step)
                ).to(device)
            )
        return fields


def prepared_pack(data: Path, assets: list[Asset], folder: Path) -> Pack:
    """Return the pack of all assets below ``folder``; prepares it where there is none or one of
    other assets.
    """
    meta = folder / "pack.json"
    ids = [a.asset_id for a in assets]
    if not meta.is_file() or _packed_assets(meta) != ids:
        prepare(data, assets, folder)
    return Pack(folder)


def _packed_assets(meta: Path) -> list[str]:
    """Return the assets of a pack; none when an older version of texgen wrote it."""
    document = json.loads(meta.read_text(encoding="utf-8"))
    return list(document["assets"]) if "native_px" in document else []
