# SPDX-License-Identifier: Apache-2.0
"""A device that computes on the CPU but behaves as a second one: a tensor that was not moved to it
fails, as it would on CUDA.
"""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from types import SimpleNamespace

import torch
from torch.optim import adam, optimizer
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from texgen_server.precision import EXACT, autocast

PRETENDED = torch.device("lazy")
INSIDE = torch.device("meta")
"""Device that torch itself sees on such tensors."""
MAY_MIX = {
    "aten::_to_copy",
    "aten::copy_",
    "aten::index",
    "aten::index_put",
    "aten::index_put_",
    "aten::_index_put_impl_",
}
"""Operators that take tensors of two devices: copies, and indexing with indices of the CPU."""


class Pretended(torch.Tensor):
    """A tensor on the pretended device; its values are those of a CPU tensor inside."""

    @staticmethod
    def __new__(cls, inner):
        return torch.Tensor._make_wrapper_subclass(
            cls,
            inner.size(),
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device=INSIDE,
            requires_grad=inner.requires_grad,
        )

    def __init__(self, inner):
        self.inner = inner

    @property
    def device(self):
        return PRETENDED

    def __repr__(self):
        return f"Pretended({self.inner!r})"

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return run(func, args, kwargs or {})


def run(func, args, kwargs):
    """Run an operator on the CPU; fails where it mixes devices."""
    name = func._schema.name
    tensors = [t for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)]
    moved = [isinstance(t, Pretended) for t in tensors]
    target = kwargs.get("device")
    generator = kwargs.get("generator")
    if any(moved) and name not in MAY_MIX:
        left = [tuple(t.shape) for t, on in zip(tensors, moved, strict=True) if not on and t.dim()]
        assert not left, f"{name}: tensors of shape {left} are on the CPU, others on {PRETENDED}"
    onto = any(moved)
    if target is not None:
        onto = torch.device(target).type in (PRETENDED.type, INSIDE.type)
        assert generator is None or not onto, f"{name}: a generator of the CPU for {PRETENDED}"
        kwargs = kwargs | {"device": torch.device("cpu")}
    plain = tree_map(lambda t: t.inner if isinstance(t, Pretended) else t, (args, kwargs))
    made = func(*plain[0], **plain[1])
    if func._schema.is_mutable and made is not None and args and made is plain[0][0]:
        return args[0]
    return tree_map(lambda t: Pretended(t) if onto and type(t) is torch.Tensor else t, made)


class _Mode(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return run(func, args, kwargs or {})


@contextmanager
def pretended_device(monkeypatch):
    """Yield the device; networks run in float32 on it, and fused optimisers take it."""
    monkeypatch.setattr(autocast, "decide", lambda *_: SimpleNamespace(precision=EXACT))
    monkeypatch.setattr(autocast, "in_precision", lambda *_: nullcontext())
    monkeypatch.setattr(adam, "_device_dtype_check_for_fused", lambda *_, **__: None)
    monkeypatch.setattr(optimizer, "_device_dtype_check_for_fused", lambda *_, **__: None)
    with _Mode():
        yield PRETENDED
