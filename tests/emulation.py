# SPDX-License-Identifier: Apache-2.0
"""Catches tests that compute in bfloat16 where the CPU would emulate it."""

from __future__ import annotations

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class NoBfloat16(TorchDispatchMode):
    """Fails where torch makes a tensor in bfloat16: such a CPU emulates it, a hundred times slower
    than float32.
    """

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        if any(
            isinstance(t, torch.Tensor) and t.dtype is torch.bfloat16 for t in tree_leaves(made)
        ):
            raise AssertionError(
                f"{func} computes in bfloat16, which this CPU would emulate: ask "
                f"texgen_server.precision"
            )
        return made
