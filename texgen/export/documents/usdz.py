# SPDX-License-Identifier: Apache-2.0
"""OpenUSD's package: the layer and its textures in one file. Source: the USDZ specification."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from pxr import Sdf, UsdUtils

from texgen.errors import OutputError
from texgen.export.documents.usd import layer
from texgen.export.texture_set import TextureSet


def write(textures: TextureSet, names: Mapping[str, str], files: Mapping[str, bytes]) -> dict[str, bytes]:
    """``<stem>.usdz``. The library writes to paths only: through a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        for name in names.values():
            Path(folder, name).write_bytes(files[name])
        root, package = Path(folder, f"{textures.stem}.usda"), Path(folder, f"{textures.stem}.usdz")
        root.write_text(layer(textures, names), encoding="utf-8")
        if not UsdUtils.CreateNewUsdzPackage(Sdf.AssetPath(str(root)), str(package)):
            raise OutputError(f"{package.name} could not be packed")
        return {package.name: package.read_bytes()}
