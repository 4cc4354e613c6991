# SPDX-License-Identifier: Apache-2.0
"""The bank: exemplars as compressed grids of small integers in one file, readable one by one, with
the metadata of each. Never imports torch.
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from texgen.errors import LoadError

Latents = NDArray[np.int16]
"""Latents (h, w, n): integers in quantiser steps."""

FORMAT = 1
MOST_CELLS = 256 * 256
MOST_LATENTS = 256
FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9, "lc": 4, "lp": 0, "pb": 0}]
"""Compression of each plane of latents by raw LZMA2: measured within 1 % of the zeroth-order
entropy of each plane.
"""


@dataclass(frozen=True)
class BankExemplar:
    """Metadata of an exemplar."""

    asset_id: str
    title: str
    material_class: str
    cells: tuple[int, int]
    """Rows and columns of the latent grid; a cell is 8 x 8 px."""
    metres: float
    """Edge of the tile, in metres."""
    relief_tiles: float
    """Height from black to white as a fraction of the tile's edge."""
    means: tuple[float, ...]
    """Means of the nine channels: colours, roughness, metallic, height, ao in [0, 1], normals in
    [-1, 1].
    """
    constants: dict[str, float]
    """Channel -> its value, for channels without variation; they bypass the decoder."""
    quality: int
    """Rating from 1 to 5."""
    drawn: bool
    """False for an exemplar that is used by name only, and never picked at random."""
    licence: str
    publisher: str
    source: str
    layout: dict[str, Any] = field(default_factory=dict)
    """Family, lattice group, rows and flags, as the layout engine reads them."""


class Bank:
    """A bank file, opened once; latents are read and decompressed when asked for."""

    def __init__(self, path: Path) -> None:
        """Read the index. Raises LoadError when the file is missing or no bank."""
        self.path = path
        try:
            with safe_open(path, "numpy") as file:
                about = json.loads((file.metadata() or {}).get("bank", "{}"))
        except (OSError, SafetensorError) as error:
            raise LoadError(f"{path}: cannot be read as a bank ({error})") from error
        if about.get("format") != FORMAT:
            raise LoadError(
                f"{path}: format {about.get('format')!r}, this version reads {FORMAT}: build "
                f"the bank again"
            )
        self.latent_count = about["latents"]
        entries = [BankExemplar(**_tuples(entry)) for entry in about["exemplars"]]
        self.exemplars = {entry.asset_id: entry for entry in entries}

    def latents(self, asset_id: str) -> Latents:
        """Read the (h, w, n) latents of an exemplar.

        Raises LoadError when there is none of that name or its bytes are damaged.
        """
        entry = self.exemplars.get(asset_id)
        if entry is None:
            raise LoadError(
                f"no exemplar {asset_id!r} in {self.path}; it holds {len(self.exemplars)}"
            )
        return unpack_latents(self._bytes(f"latents/{asset_id}"), (*entry.cells, self.latent_count))

    def thumbnail(self, asset_id: str) -> bytes:
        """Read a small lit picture of an exemplar, a WebP file."""
        return self._bytes(f"thumbnail/{asset_id}")

    def _bytes(self, key: str) -> bytes:
        with safe_open(self.path, "numpy") as file:
            return bytes(file.get_tensor(key).tobytes())


def write_bank(path: Path, exemplars: Iterable[tuple[BankExemplar, Latents, bytes]]) -> int:
    """Write a bank of (metadata, latents, thumbnail), atomically; returns its size in bytes."""
    entries, tensors, count = [], {}, 0
    for entry, latents, thumbnail in sorted(exemplars, key=lambda item: item[0].asset_id):
        assert latents.shape[:2] == entry.cells
        count = latents.shape[2]
        entries.append(asdict(entry))
        tensors[f"latents/{entry.asset_id}"] = np.frombuffer(pack_latents(latents), np.uint8)
        tensors[f"thumbnail/{entry.asset_id}"] = np.frombuffer(thumbnail, np.uint8)
    temporary = path.with_suffix(".partial")
    about = {"format": FORMAT, "latents": count, "exemplars": entries}
    save_file(
        tensors, temporary, {"bank": json.dumps(about)}
    )  # one key: the order of several is not fixed
    temporary.replace(path)
    return path.stat().st_size


def pack_latents(latents: Latents) -> bytes:
    """Compress (h, w, n) integers: one byte each, plane after plane; with a plane of high bytes
    where one byte is not enough.
    """
    planes = np.ascontiguousarray(latents.transpose(2, 0, 1).astype(np.int16))
    low = planes.astype(np.int8)
    wide = bool((low != planes).any())
    data = low.tobytes() + (((planes - low) >> 8).astype(np.int8).tobytes() if wide else b"")
    return bytes([wide]) + lzma.compress(data, lzma.FORMAT_RAW, filters=FILTERS)


def unpack_latents(data: bytes, shape: tuple[int, int, int]) -> Latents:
    """Decompress latents: the inverse of `pack_latents`.

    Raises LoadError when the shape is too large or the bytes do not give exactly that shape.
    """
    rows, columns, count = shape
    if not (0 < rows * columns <= MOST_CELLS and 0 < count <= MOST_LATENTS):
        raise LoadError(
            f"a bank may hold up to {MOST_CELLS} cells of {MOST_LATENTS} latents an exemplar, "
            f"this one says {shape}"
        )
    if not data or data[0] > 1:
        raise LoadError("an exemplar of the bank is damaged: it does not begin as it should")
    size = rows * columns * count * (1 + data[0])
    decoder = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=FILTERS)
    try:
        raw = decoder.decompress(data[1:], size + 1)
    except lzma.LZMAError as error:
        raise LoadError(f"an exemplar of the bank is damaged: {error}") from error
    if len(raw) != size:
        raise LoadError(f"an exemplar of the bank is damaged: {len(raw)} bytes instead of {size}")
    halves = np.frombuffer(raw, np.int8).astype(np.int16).reshape(1 + data[0], count, rows, columns)
    planes = halves[0] + (halves[1] << 8) if data[0] else halves[0]
    return np.ascontiguousarray(planes.transpose(1, 2, 0))


def _tuples(entry: dict[str, Any]) -> dict[str, Any]:
    return entry | {"cells": tuple(entry["cells"]), "means": tuple(entry["means"])}
