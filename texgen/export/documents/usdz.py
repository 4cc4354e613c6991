# SPDX-License-Identifier: Apache-2.0
"""Writes OpenUSD's package: the layer and its textures in one file. Source: the USDZ
specification.
"""

from __future__ import annotations

import io
import struct
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from pxr import Sdf, UsdUtils

from texgen.errors import OutputError
from texgen.export.documents.usd import layer
from texgen.export.texture_set import TextureSet

ZIP_EPOCH = struct.pack("<2H", 0, 0x21)


def write(
    textures: TextureSet, names: Mapping[str, str], files: Mapping[str, bytes]
) -> dict[str, bytes]:
    """Write ``<stem>.usdz`` through a temporary folder, as the library writes to paths only."""
    with tempfile.TemporaryDirectory() as folder:
        for name in names.values():
            Path(folder, name).write_bytes(files[name])
        root, package = Path(folder, f"{textures.stem}.usda"), Path(folder, f"{textures.stem}.usdz")
        root.write_text(layer(textures, names), encoding="utf-8")
        if not UsdUtils.CreateNewUsdzPackage(Sdf.AssetPath(str(root)), str(package)):
            raise OutputError(f"{package.name} could not be packed")
        return {package.name: _without_dates(package.read_bytes())}


def _without_dates(package: bytes) -> bytes:
    """Date the package to 1980-01-01, so that the same textures give the same bytes."""
    data, archive = bytearray(package), zipfile.ZipFile(io.BytesIO(package))
    offset = archive.start_dir
    for info in archive.infolist():
        data[info.header_offset + 10 : info.header_offset + 14] = ZIP_EPOCH
        data[offset + 12 : offset + 16] = ZIP_EPOCH
        offset += 46 + sum(struct.unpack_from("<3H", data, offset + 28))
    return bytes(data)
