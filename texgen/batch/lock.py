# SPDX-License-Identifier: Apache-2.0
"""A lock file: recipe and hashes of every set, to commit beside the spec. Another model or spec
shows as a difference of this file.

On the same engine (library, precision, instructions: all in its name) the files are the same to the
last byte. Elsewhere each map's means over an 8 x 8 grid are compared, and may differ by
`TOLERANCE`.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from texgen.errors import InvalidRequestError
from texgen.files.images import decode
from texgen.files.material import json_bytes
from texgen.maps import Material, Pixels, to_unit

VERSION = 1
GRID = 8
TOLERANCE = 4.0 / 255.0
"""Largest difference of a mean between engines, of 1."""


@dataclass(frozen=True)
class Locked:
    """One set as it was made."""

    recipe: str
    request: str
    """Digest of what was asked for, the model's included."""
    model: str
    """Digest."""
    engine: str
    files: Mapping[str, str]
    """Name -> SHA-256."""
    means: Mapping[str, str]
    """Map -> means over the grid, base64 of bytes."""


def locked(material: Material, request: str, files: Mapping[str, bytes | memoryview]) -> Locked:
    """Of a finished set and its files, the sidecar left out."""
    hashes = {
        name: hashlib.sha256(data).hexdigest()
        for name, data in sorted(files.items())
        if not name.endswith(".json")
    }
    return Locked(
        material.recipe, request, material.model_digest, material.engine, hashes, _means(material)
    )


def read_lock(path: Path) -> dict[str, Locked]:
    """Stem -> entry; empty where there is no file yet. Raises InvalidRequestError."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["version"] != VERSION:
            raise InvalidRequestError(
                f"{path} is of version {document['version']}: this texgen reads {VERSION}", "lock"
            )
        return {stem: Locked(**entry) for stem, entry in document["sets"].items()}
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise InvalidRequestError(
            f"cannot read the lock {path}: {error.strerror}", "lock"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidRequestError(f"{path} is no lock file of texgen batch", "lock") from error


def write_lock(path: Path, sets: Mapping[str, Locked]) -> None:
    """Sorted, a line a value, so that differences read well."""
    document = {"version": VERSION, "sets": {stem: vars(sets[stem]) for stem in sorted(sets)}}
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(json_bytes(document))
    partial.replace(path)


def changes(wanted: Mapping[str, tuple[str, str]], known: Mapping[str, Locked]) -> list[str]:
    """What the lock says otherwise, a sentence each.

    ``wanted``: stem -> (digest of the request, digest of the model).
    """
    told = []
    for stem, (request, model) in wanted.items():
        if stem not in known:
            told.append(f"{stem}: new")
        elif known[stem].request != request:
            models = (
                f"model {known[stem].model[:12]} -> {model[:12]}"
                if known[stem].model != model
                else "another request"
            )
            told.append(f"{stem}: {models}")
    told += [f"{stem}: not in the spec any more" for stem in known if stem not in wanted]
    return told


def difference(made: Locked, known: Locked) -> str:
    """Why a set is not what the lock says; empty where it is."""
    if made.recipe != known.recipe:
        return f"its recipe is {made.recipe}, locked is {known.recipe}"
    if made.engine == known.engine:
        other = sorted(
            name for name, digest in known.files.items() if made.files.get(name) != digest
        )
        return (
            f"{', '.join(other)} differ though the engine ({made.engine}) is the same"
            if other
            else ""
        )
    for name, text in known.means.items():
        there, here = (
            np.frombuffer(base64.b64decode(t), np.uint8).astype(int)
            for t in (text, made.means.get(name, ""))
        )
        if there.shape != here.shape or (
            largest := int(np.abs(there - here).max(initial=0))
        ) > round(TOLERANCE * 255.0):
            how_far = "another size" if there.shape != here.shape else f"{largest}/255"
            return (
                f"{name} differs by {how_far} ({made.engine} here, {known.engine} there): "
                f"more than {round(TOLERANCE * 255)}/255"
            )
    return ""


def grid_means(pixels: Pixels) -> NDArray[np.uint8]:
    """(H, W, C) -> (8, 8, C): means over a grid, of 255."""
    unit = to_unit(pixels)
    rows, columns = (np.array_split(np.arange(edge), GRID) for edge in unit.shape[:2])
    grid = np.array(
        [[unit[r[0] : r[-1] + 1, c[0] : c[-1] + 1].mean((0, 1)) for c in columns] for r in rows]
    )
    result: NDArray[np.uint8] = np.round(grid * 255.0).astype(np.uint8)
    return result


def _means(material: Material) -> dict[str, str]:
    return {
        str(kind): base64.b64encode(grid_means(decode(m)).tobytes()).decode()
        for kind, m in sorted(material.maps.items())
    }
