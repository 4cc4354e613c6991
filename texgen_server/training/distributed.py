# SPDX-License-Identifier: Apache-2.0
"""One process or several under ``torchrun``: who am I, and averaged gradients."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
from torch import Tensor, distributed


@dataclass(frozen=True)
class Workers:
    """The processes of a run; a single process needs no process group."""

    rank: int = 0
    count: int = 1

    @classmethod
    def join(cls, device: torch.device) -> Workers:
        """Join the group that ``torchrun`` announces in the environment, if any."""
        if "WORLD_SIZE" not in os.environ:
            return cls()
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
        return cls(distributed.get_rank(), distributed.get_world_size())

    def barrier(self) -> None:
        """Wait until all workers are here."""
        if self.count > 1:
            distributed.barrier()

    def any(self, verdict: bool) -> bool:  # noqa: FBT001 - a vote
        """Whether any worker says so; the same answer for all."""
        if self.count == 1:
            return verdict
        flag = torch.tensor(float(verdict))
        distributed.all_reduce(flag)
        return bool(flag > 0)

    def average_gradients(self, parameters: list[Tensor]) -> None:
        """Average ``.grad`` over the workers, in one message."""
        if self.count == 1:
            return
        for p in parameters:
            if p.grad is None:
                p.grad = torch.zeros_like(p)
        grads = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([g.flatten() for g in grads])
        distributed.all_reduce(flat)
        flat /= self.count
        parts = flat.split([g.numel() for g in grads])
        for grad, part in zip(grads, parts, strict=True):
            grad.copy_(part.view_as(grad))
