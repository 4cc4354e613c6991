# SPDX-License-Identifier: Apache-2.0
"""ModelCard -> checked weights. Weights are safetensors, and no other format is ever loaded."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load

from texgen.errors import LoadError
from texgen.modelcard import ModelCard
from texgen_server.environment.scene import EnvironmentTables
from texgen_server.environment.sky_model import SkyModel
from texgen_server.material.plan import MaterialTables, NetworkShape, network_shape
from texgen_server.networks.params import (
    EnvironmentParams,
    EstimatorParams,
    MaterialParams,
    NetworkParams,
    UpscalerParams,
    environment_params,
    estimator_params,
    material_params,
    upscaler_params,
)

NETWORK_PREFIX = "generator/"
DIRECTION_PREFIX = "directions/"
KINDS = ("material", "environment", "upscaler", "estimator")


@dataclass(frozen=True)
class LoadedModel:
    """A model whose weights are in memory and match its card."""

    card: ModelCard
    params: NetworkParams
    """Sizes of the network, read from the card's ``[network]``."""
    weights: dict[str, NDArray[np.float32]]
    """Weights of the network, by the names of the torch module."""

    @property
    def size_bytes(self) -> int:
        """Bytes of the network in float32: its weight where memory is short."""
        return sum(w.nbytes for w in self.weights.values())


@dataclass(frozen=True)
class MaterialModel(LoadedModel):
    """A material generator, with the measurements of each training material."""

    params: MaterialParams
    tables: MaterialTables
    shape: NetworkShape


@dataclass(frozen=True)
class EnvironmentModel(LoadedModel):
    """An environment generator, with the measurements of each training panorama."""

    params: EnvironmentParams
    tables: EnvironmentTables


@dataclass(frozen=True)
class UpscalerModel(LoadedModel):
    """An upscaler."""

    params: UpscalerParams


@dataclass(frozen=True)
class EstimatorModel(LoadedModel):
    """An estimator of missing maps."""

    params: EstimatorParams


def load_model(card: ModelCard) -> LoadedModel:
    """Read and check the weights of a model of any kind.

    Raises LoadError naming the file when one is missing, damaged, of another digest, not
    safetensors, or of an unknown kind.
    """
    if card.kind == "material":
        return load_material(card)
    if card.kind == "environment":
        return load_environment(card)
    if card.kind not in KINDS:
        raise LoadError(
            f"{card.folder}: a model of kind {card.kind!r}; this version runs {', '.join(KINDS)}"
        )
    weights = _network(_tensors(card))
    if card.kind == "upscaler":
        return UpscalerModel(card, upscaler_params(card.network), weights)
    return EstimatorModel(card, estimator_params(card.network), weights)


def load_material(card: ModelCard) -> MaterialModel:
    """Load a material generator; see `load_model`."""
    tensors = _tensors(card)
    members = [asset for c in card.classes for asset in c.materials]
    try:
        amplitudes = tensors["layout/real"].astype(np.float32) + 1j * tensors[
            "layout/imaginary"
        ].astype(np.float32)
        tables = MaterialTables(
            codes=tensors["codes"].astype(np.float32),
            waves=tensors["layout/waves"].astype(np.float32),
            amplitudes=amplitudes.astype(np.complex64),
            colors=tensors["colors"].astype(np.float32),
            moments=tensors["moments"].astype(np.float32),
            rows=_class_rows(card),
            directions={
                k.removeprefix(DIRECTION_PREFIX): v.astype(np.float32)
                for k, v in tensors.items()
                if k.startswith(DIRECTION_PREFIX)
            },
        )
    except KeyError as error:
        raise LoadError(
            f"{card.folder}: the weights lack {error}; export the model anew"
        ) from error
    if len(tables.codes) != len(members):
        raise LoadError(
            f"{card.folder}: {len(tables.codes)} codes for {len(members)} materials; export "
            f"the model anew"
        )
    unknown = set(tables.directions) - {c.name for c in card.controls}
    if unknown:
        raise LoadError(
            f"{card.folder}: directions without a control: {', '.join(sorted(unknown))}; "
            f"export the model anew"
        )
    params = material_params(card.network)
    return MaterialModel(card, params, _network(tensors), tables, network_shape(params))


def load_environment(card: ModelCard) -> EnvironmentModel:
    """Load an environment generator; see `load_model`."""
    tensors = _tensors(card)
    try:
        tables = EnvironmentTables(
            **{
                name: tensors[name].astype(np.float32)
                for name in ("codes", "layouts", "skies", "lights", "exposures")
            },
            sunny=tensors["sunny"] > 0,
            rows=_class_rows(card),
            model=SkyModel(
                *(
                    tensors[f"clear/{name}"].astype(np.float32)
                    for name in ("elevations_deg", "stops", "sun")
                )
            ),
        )
    except KeyError as error:
        raise LoadError(
            f"{card.folder}: the weights lack {error}; export the model anew"
        ) from error
    members = sum(len(c.materials) for c in card.classes)
    if len(tables.codes) != members:
        raise LoadError(
            f"{card.folder}: {len(tables.codes)} codes for {members} maps; export the model anew"
        )
    return EnvironmentModel(card, environment_params(card.network), _network(tensors), tables)


def _tensors(card: ModelCard) -> dict[str, NDArray[np.float32]]:
    tensors: dict[str, NDArray[np.float32]] = {}
    for name, digest in card.weights.items():
        tensors |= read_weights(card.folder / name, digest)
    return tensors


def _network(tensors: dict[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
    return {
        k.removeprefix(NETWORK_PREFIX): v.astype(np.float32)
        for k, v in tensors.items()
        if k.startswith(NETWORK_PREFIX)
    }


def _class_rows(card: ModelCard) -> dict[str, tuple[int, ...]]:
    rows, at = {}, 0
    for c in card.classes:
        rows[c.name] = tuple(range(at, at + len(c.materials)))
        at += len(c.materials)
    return rows


def read_weights(path: Path, digest: str) -> dict[str, NDArray[np.float32]]:
    """Read one safetensors file after checking its name, its SHA-256 and its header.

    Raises LoadError naming the file.
    """
    if path.suffix != ".safetensors" or path.name != Path(path.name).name:
        raise LoadError(
            f"{path}: only .safetensors files are loaded; formats that can run code (.pt, "
            f".pth, .ckpt, .pkl) are refused"
        )
    try:
        data = path.read_bytes()
    except OSError as error:
        raise LoadError(
            f"cannot read the weights {path}: {error.strerror}; install texgen anew or fetch "
            f"the file again"
        ) from error
    if not _looks_like_safetensors(data):
        raise LoadError(
            f"{path} is not a safetensors file (a pickle with another name is refused too)"
        )
    actual = hashlib.sha256(data).hexdigest()
    if actual != digest:
        raise LoadError(
            f"{path} is damaged or of another version: its SHA-256 is {actual[:16]}..., "
            f"model.toml says {digest[:16]}..."
        )
    tensors: dict[str, NDArray[np.float32]] = load(data)
    return tensors


def _looks_like_safetensors(data: bytes) -> bool:
    """Return True for data that starts with a length that fits the file, then a JSON object."""
    if len(data) < 9:
        return False
    (length,) = struct.unpack("<Q", data[:8])
    return bool(length <= len(data) - 8 and data[8:9] == b"{")
