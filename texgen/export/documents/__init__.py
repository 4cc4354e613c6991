# SPDX-License-Identifier: Apache-2.0
"""Documents that say how files make a material: one module each, imported when it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from texgen.errors import InvalidRequestError
from texgen.export.texture_set import TextureSet

WRITERS = {"gltf": "gltf", "usd": "usd", "usdz": "usdz", "materialx": "materialx", "godot": "godot"}


def write_document(
    kind: str, textures: TextureSet, names: Mapping[str, str], files: Mapping[str, bytes]
) -> dict[str, bytes]:
    """File name -> content of a document (see `DOCUMENTS` of `preset`).

    ``names`` says which file holds what: "basecolor", "normal", ..., "packed"; ``files`` are their
    contents. Raises InvalidRequestError where its library is not installed.
    """
    try:
        writer = import_module(f"texgen.export.documents.{WRITERS[kind]}")
        result: dict[str, bytes] = writer.write(textures, names, files)
    except ImportError as error:
        raise InvalidRequestError(
            f"{kind} needs the library {error.name}: pip install 'texgen[export]'", "preset"
        ) from error
    return result
