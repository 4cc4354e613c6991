# SPDX-License-Identifier: Apache-2.0
"""The state of a run in one safetensors file: networks, EMA, optimisers, position. Never pickle."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from texgen_server.training.loop import Trainer

NETWORKS = ("generator", "codes", "discriminator", "ema_generator", "ema_codes")
OPTIMIZERS = ("optimizer_g", "optimizer_d")


def save_state(trainer: Trainer, path: Path) -> None:
    """Write everything `load_state` needs, atomically."""
    tensors: dict[str, Tensor] = {}
    for name in NETWORKS:
        tensors |= {f"{name}/{key}": value for key, value in getattr(trainer, name).state_dict().items()}
    for name in OPTIMIZERS:
        for index, slots in getattr(trainer, name).state_dict()["state"].items():
            tensors |= {f"{name}/{index}/{slot}": torch.as_tensor(value) for slot, value in slots.items()}
    temporary = path.with_suffix(".partial")
    save_file({k: v.contiguous() for k, v in tensors.items()}, temporary, {"images": str(trainer.images)})
    temporary.replace(path)


def load_state(trainer: Trainer, path: Path) -> None:
    """Continue exactly where `save_state` stood (but for the random stream, which starts anew)."""
    tensors = load_file(path)
    for name in NETWORKS:
        prefix = f"{name}/"
        getattr(trainer, name).load_state_dict({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})
    for name in OPTIMIZERS:
        optimizer = getattr(trainer, name)
        slots: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            if key.startswith(f"{name}/"):
                _, index, slot = key.split("/")
                slots.setdefault(int(index), {})[slot] = value
        optimizer.load_state_dict({"state": slots, "param_groups": optimizer.state_dict()["param_groups"]})
    with safe_open(path, "pt") as file:
        trainer.images = int(file.metadata()["images"])
    trainer.random.manual_seed(trainer.config.seed * 1000 + trainer.workers.rank + trainer.images * 17)
