# SPDX-License-Identifier: Apache-2.0
"""The processes of a run: one, or several under ``torchrun`` that average their gradients."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, distributed

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Workers:
    """The processes of a run, seen from one of them; a single process needs no process group."""

    rank: int = 0
    count: int = 1
    device: torch.device = CPU
    """Device that messages between workers are held on: NCCL sends from CUDA only."""

    @classmethod
    def join(cls, device: torch.device) -> Workers:
        """Join the group that ``torchrun`` announces in the environment, if any."""
        if "WORLD_SIZE" not in os.environ:
            return cls(device=device)
        if device.type == "cuda":
            torch.cuda.set_device(device)
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
        return cls(distributed.get_rank(), distributed.get_world_size(), device)

    def barrier(self) -> None:
        """Wait until all workers have come here."""
        if self.count > 1:
            distributed.barrier()

    def run_once(self, work: Callable[[], object]) -> None:
        """Run ``work`` on the first worker; the others wait until it is done."""
        if self.rank == 0:
            work()
        self.barrier()

    def any(self, verdict: bool) -> bool:  # noqa: FBT001 - a vote
        """Return whether any worker's verdict is true; the same answer on all workers."""
        if self.count == 1:
            return verdict
        flag = torch.tensor(float(verdict), device=self.device)
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
