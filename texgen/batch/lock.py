# SPDX-License-Identifier: Apache-2.0
"""Reads, writes and compares lock files: recipe and hashes of every set, to commit beside the spec.

Another model or spec shows as a difference of this file. On the same engine (library, precision,
instructions: all in its name) the files are the same to the last byte. On another engine each map's
means over an 8 x 8 grid are compared, and may differ by `TOLERANCE`.
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
from texgen.files.document import json_bytes
from texgen.files.images import decode
from texgen.maps import Material, Pixels, to_unit

VERSION = 1
GRID = 8
"""Cells along each edge of the grid."""
TOLERANCE = 4.0 / 255.0
"""Largest difference of a mean in [0, 1] between engines."""


@dataclass(frozen=True)
class LockEntry:
    """The recipe and the hashes of one set."""

    recipe: str
    request: str
    """Digest of the request and of its model."""
    model: str
    """Digest of the model."""
    engine: str
    files: Mapping[str, str]
    """SHA-256 by file name."""
    means: Mapping[str, str]
    """Means over the grid by kind of map, bytes as base64."""


def lock_entry(
    material: Material, request: str, files: Mapping[str, bytes | memoryview]
) -> LockEntry:
    """Return the entry of a set and its files, without the sidecar."""
    hashes = {
        name: hashlib.sha256(data).hexdigest()
        for name, data in sorted(files.items())
        if not name.endswith(".json")
    }
    return LockEntry(
        material.recipe, request, material.model_digest, material.engine, hashes, _means(material)
    )


def read_lock(path: Path) -> dict[str, LockEntry]:
    """Read the entries by stem; empty where there is no file yet. Raises InvalidRequestError."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["version"] != VERSION:
            raise InvalidRequestError(
                f"{path} is of version {document['version']}: this texgen reads {VERSION}", "lock"
            )
        return {stem: LockEntry(**entry) for stem, entry in document["sets"].items()}
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise InvalidRequestError(
            f"cannot read the lock {path}: {error.strerror}", "lock"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidRequestError(f"{path} is no lock file of texgen batch", "lock") from error


def write_lock(path: Path, sets: Mapping[str, LockEntry]) -> None:
    """Write the entries sorted, one value in each line, so that differences read well."""
    document = {"version": VERSION, "sets": {stem: vars(sets[stem]) for stem in sorted(sets)}}
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(json_bytes(document))
    partial.replace(path)


def changes(wanted: Mapping[str, tuple[str, str]], known: Mapping[str, LockEntry]) -> list[str]:
    """List how a spec differs from its lock, one sentence for each set.

    ``wanted`` holds (digest of the request, digest of the model) by stem.
    """
    found = []
    for stem, (request, model) in wanted.items():
        if stem not in known:
            found.append(f"{stem}: new")
        elif known[stem].request != request:
            models = (
                f"model {known[stem].model[:12]} -> {model[:12]}"
                if known[stem].model != model
                else "another request"
            )
            found.append(f"{stem}: {models}")
    found += [f"{stem}: not in the spec any more" for stem in known if stem not in wanted]
    return found


def difference(new: LockEntry, known: LockEntry) -> str:
    """Explain why a set is not the locked one; empty where it is."""
    if new.recipe != known.recipe:
        return f"its recipe is {new.recipe}, locked is {known.recipe}"
    if new.engine == known.engine:
        other = sorted(
            name for name, digest in known.files.items() if new.files.get(name) != digest
        )
        return (
            f"{', '.join(other)} differ though the engine ({new.engine}) is the same"
            if other
            else ""
        )
    for name, text in known.means.items():
        old, own = (
            np.frombuffer(base64.b64decode(t), np.uint8).astype(int)
            for t in (text, new.means.get(name, ""))
        )
        if old.shape != own.shape or (largest := int(np.abs(old - own).max(initial=0))) > round(
            TOLERANCE * 255.0
        ):
            how_far = "another size" if old.shape != own.shape else f"{largest}/255"
            return (
                f"{name} differs by {how_far} ({new.engine} here, {known.engine} there): "
                f"more than {round(TOLERANCE * 255)}/255"
            )
    return ""


def grid_means(pixels: Pixels) -> NDArray[np.uint8]:
    """Compute means over a grid, (H, W, C) -> (8, 8, C), in [0, 255]."""
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
