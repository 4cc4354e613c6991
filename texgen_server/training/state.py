# SPDX-License-Identifier: Apache-2.0
"""The state of a run in one safetensors file: networks, EMA, optimisers, position. Never pickle."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from texgen_server.training.material.loop import Trainer

NETWORKS = ("generator", "codes", "discriminator", "ema_generator", "ema_codes")
OPTIMIZERS = ("optimizer_g", "optimizer_d")

Networks = dict[str, nn.Module]
Optimizers = dict[str, torch.optim.Optimizer]


def save_state(trainer: Trainer, path: Path) -> None:
    """Write everything `load_state` needs, atomically."""
    write_tensors(*_held(trainer), path, {"images": str(trainer.images)})


def load_state(trainer: Trainer, path: Path) -> None:
    """Continue exactly where `save_state` stood (but for the random stream, which starts anew)."""
    trainer.images = int(read_tensors(*_held(trainer), path)[1]["images"])
    trainer.random.manual_seed(
        trainer.config.seed * 1000 + trainer.workers.rank + trainer.images * 17
    )


def _held(trainer: Trainer) -> tuple[Networks, Optimizers]:
    return {n: getattr(trainer, n) for n in NETWORKS}, {n: getattr(trainer, n) for n in OPTIMIZERS}


def write_tensors(
    networks: Networks,
    optimizers: Optimizers,
    path: Path,
    about: dict[str, str],
    more: dict[str, Tensor] | None = None,
) -> None:
    """Networks, optimisers and further tensors of any run, atomically."""
    tensors: dict[str, Tensor] = dict(more or {})
    for name, network in networks.items():
        tensors |= {f"{name}/{key}": value for key, value in network.state_dict().items()}
    for name, optimizer in optimizers.items():
        for index, slots in optimizer.state_dict()["state"].items():
            tensors |= {
                f"{name}/{index}/{slot}": torch.as_tensor(value) for slot, value in slots.items()
            }
    temporary = path.with_suffix(".partial")
    save_file({k: v.contiguous() for k, v in tensors.items()}, temporary, about)
    temporary.replace(path)


def read_tensors(
    networks: Networks, optimizers: Optimizers, path: Path
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Fill networks and optimisers from what `write_tensors` wrote; returns all tensors and what
    was written about them.
    """
    tensors = load_file(path)
    for name, network in networks.items():
        prefix = f"{name}/"
        network.load_state_dict(
            {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        )
    for name, optimizer in optimizers.items():
        slots: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            if key.startswith(f"{name}/"):
                _, index, slot = key.split("/")
                slots.setdefault(int(index), {})[slot] = value
        optimizer.load_state_dict(
            {"state": slots, "param_groups": optimizer.state_dict()["param_groups"]}
        )
    with safe_open(path, "pt") as file:
        return tensors, file.metadata()
