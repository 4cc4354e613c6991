# SPDX-License-Identifier: Apache-2.0
"""Reads ``models/<id>/model.toml``: classes, controls, sizes, digest. Touches no weights, needs no
torch.

A model folder is the whole interface between training and serving. Lookup: an explicit folder, else
``TEXGEN_MODELS``, else the models inside the installed package (or, in a checkout, the repository's
own).
"""

from __future__ import annotations

import hashlib
import json
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from texgen.errors import LoadError, NotFoundError
from texgen.maps import MapKind

TomlTable: TypeAlias = dict[str, Any]
"""A table of a TOML file."""
MODELS_VARIABLE = "TEXGEN_MODELS"


@dataclass(frozen=True)
class ModelClass:
    """A class of materials, or a preset (a single training material)."""

    name: str
    preset: bool
    materials: tuple[str, ...]
    """Asset ids of its training materials."""


@dataclass(frozen=True)
class Control:
    """A named number that changes the result, with the range of its slider."""

    name: str
    label: str
    description: str
    unit: str
    minimum: float
    maximum: float
    default: float
    post_process: bool
    """True when it acts on the finished maps, False when it acts inside the network."""


@dataclass(frozen=True)
class ModelCard:
    """The description of a model: identity, classes, controls, sizes, weights."""

    id: str
    title: str
    kind: str
    version: str
    licence: str
    output_licence: str
    digest: str
    """SHA-256, lower-case hex, over weights, network, classes and controls; it determines the
    pixels.
    """
    classes: tuple[ModelClass, ...]
    controls: tuple[Control, ...]
    maps: tuple[MapKind, ...]
    size_multiple_px: int
    min_edge_px: int
    max_edge_px: int
    network: TomlTable
    weights: dict[str, str]
    """SHA-256 by file name."""
    data: TomlTable
    """Data sheet: publishers, licences, training figures."""
    folder: Path

    def class_names(self) -> list[str]:
        """Return the names of classes and presets, in the order of the model."""
        return [c.name for c in self.classes]


def compute_digest(
    weights: dict[str, str], network: TomlTable, classes: list[TomlTable], controls: list[TomlTable]
) -> str:
    """Return the SHA-256 over everything that determines the pixels, independent of the layout of
    ``model.toml``.
    """
    document = json.dumps(
        [weights, network, classes, controls], sort_keys=True, separators=(",", ":")
    )
    return hashlib.sha256(document.encode()).hexdigest()


def read_card(folder: Path) -> ModelCard:
    """Read one model folder.

    Raises LoadError naming the file when it is missing, not TOML, incomplete, or does not match its
    own digest.
    """
    path = folder / "model.toml"
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        return _card(document, folder)
    except OSError as error:
        raise LoadError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LoadError(f"{path} is not valid TOML: {error}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise LoadError(
            f"{path} is incomplete or malformed: {error!r}; write it anew with 'texgen train "
            f"... export'"
        ) from error


def _card(document: TomlTable, folder: Path) -> ModelCard:
    model, sizes = document["model"], document["sizes"]
    classes, controls = document.get("class", []), document.get("control", [])
    expected = compute_digest(document["weights"], document["network"], classes, controls)
    if model["digest"] != expected:
        raise LoadError(
            f"{folder / 'model.toml'} was changed by hand: its digest is "
            f"{model['digest'][:12]}, its content's {expected[:12]}"
        )
    return ModelCard(
        id=model["id"],
        title=model["title"],
        kind=model["kind"],
        version=model["version"],
        licence=model["licence"],
        output_licence=model["output_licence"],
        digest=model["digest"],
        classes=tuple(ModelClass(c["name"], c["preset"], tuple(c["materials"])) for c in classes),
        controls=tuple(Control(**c) for c in controls),
        maps=tuple(MapKind(m) for m in model["maps"]),
        size_multiple_px=sizes["multiple_px"],
        min_edge_px=sizes["min_edge_px"],
        max_edge_px=sizes["max_edge_px"],
        network=document["network"],
        weights=document["weights"],
        data=document.get("data", {}),
        folder=folder,
    )


def models_folder(explicit: Path | None = None) -> Path:
    """Return the folder of models in use. Raises NotFoundError when it does not exist."""
    packaged = Path(__file__).with_name("models")
    fallback = packaged if packaged.is_dir() else Path(__file__).parents[1] / "models"
    variable = os.environ.get(MODELS_VARIABLE)
    folder = explicit or (Path(variable) if variable else fallback)
    if not folder.is_dir():
        raise NotFoundError(
            f"no folder of models at {folder}: pass --models DIR or set {MODELS_VARIABLE}"
        )
    return folder


def list_cards(explicit: Path | None = None) -> list[ModelCard]:
    """Read all models of the folder in use, sorted by id."""
    folder = models_folder(explicit)
    return [read_card(p.parent) for p in sorted(folder.glob("*/model.toml"))]


def find_card(model_id: str, explicit: Path | None = None) -> ModelCard:
    """Read the model of an id; the empty id means the default material model.

    Raises NotFoundError naming the existing ones.
    """
    wanted = model_id or "material"
    folders = {
        path.parent.name: path.parent
        for path in sorted(models_folder(explicit).glob("*/model.toml"))
    }
    if wanted not in folders:  # looked up, never made into a path: it may come from anyone
        raise NotFoundError(f"no model {wanted[:80]!r}: there are {', '.join(folders) or 'none'}")
    return read_card(folders[wanted])
