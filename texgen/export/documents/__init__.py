# SPDX-License-Identifier: Apache-2.0
"""Writes documents that combine files to a material: one module each, imported on demand."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from texgen.errors import InvalidRequestError
from texgen.export.texture_set import TextureSet

WRITERS = {"gltf": "gltf", "usd": "usd", "usdz": "usdz", "materialx": "materialx", "godot": "godot"}


def write_document(
    kind: str, textures: TextureSet, names: Mapping[str, str], files: Mapping[str, bytes]
) -> dict[str, bytes]:
    """Return the contents of a document's files by name (see `texgen.export.preset.DOCUMENTS`).

    ``names`` are the file names by content: "basecolor", "normal", ..., "packed"; ``files`` are the
    contents by name. Raises InvalidRequestError where the document's library is not installed.
    """
    try:
        writer = import_module(f"texgen.export.documents.{WRITERS[kind]}")
        result: dict[str, bytes] = writer.write(textures, names, files)
    except ImportError as error:
        raise InvalidRequestError(
            f"{kind} needs the library {error.name}: pip install 'texgen[export]'", "preset"
        ) from error
    return result
