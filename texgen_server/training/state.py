# SPDX-License-Identifier: Apache-2.0
"""Training states in one safetensors file: networks, averages, optimisers, position. Never pickle.

Tensors of a network are stored as ``<network>/<key of its state dict>``, those of an optimiser as
``<optimiser>/<index of the parameter>/<slot>``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

Networks = dict[str, nn.Module]
Optimizers = dict[str, torch.optim.Optimizer]
Value = TypeVar("Value")


def write_state(
    networks: Networks, optimizers: Optimizers, path: Path, metadata: dict[str, str]
) -> None:
    """Write networks and optimisers of a run with their metadata, atomically."""
    tensors: dict[str, Tensor] = {}
    for name, network in networks.items():
        tensors |= {f"{name}/{key}": value for key, value in network.state_dict().items()}
    for name, optimizer in optimizers.items():
        for index, slots in optimizer.state_dict()["state"].items():
            tensors |= {
                f"{name}/{index}/{slot}": torch.as_tensor(value) for slot, value in slots.items()
            }
    temporary = path.with_suffix(".partial")
    save_file({k: v.contiguous() for k, v in tensors.items()}, temporary, metadata)
    temporary.replace(path)


def read_state(networks: Networks, optimizers: Optimizers, path: Path) -> dict[str, str]:
    """Fill networks and optimisers from what `write_state` wrote; returns the metadata."""
    tensors = load_file(path)
    for name, network in networks.items():
        network.load_state_dict(network_tensors(tensors, name))
    for name, optimizer in optimizers.items():
        slots: dict[int, dict[str, Tensor]] = {}
        for key, value in network_tensors(tensors, name).items():
            index, slot = key.split("/")
            slots.setdefault(int(index), {})[slot] = value
        optimizer.load_state_dict(
            {"state": slots, "param_groups": optimizer.state_dict()["param_groups"]}
        )
    return read_metadata(path)


def read_metadata(path: Path) -> dict[str, str]:
    """Read the metadata of a state, such as its position."""
    with safe_open(path, "pt") as file:
        metadata: dict[str, str] = file.metadata()
    return metadata


def network_tensors(tensors: Mapping[str, Value], name: str) -> dict[str, Value]:
    """Return the tensors that a state holds of one network, by the keys of its state dict."""
    prefix = f"{name}/"
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
