# SPDX-License-Identifier: Apache-2.0
"""Runs networks with torch: on CUDA in bfloat16, on a CPU in float32."""

from __future__ import annotations

import numpy as np
import torch

from texgen_server.backends.base import Array
from texgen_server.network_params import PARTS
from texgen_server.networks.layers import channels_last
from texgen_server.networks.parts import build_parts
from texgen_server.registry import LoadedModel


class TorchBackend:
    """A `Backend` on a torch device."""

    def __init__(self, model: LoadedModel, device: str, precision: str) -> None:
        self.device = torch.device(device)
        self.dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        self.name = f"torch-{self.device.type}/{precision}"
        self._parts = build_parts(model.card.kind, model.card.network, model.weights)
        self._kinds = PARTS[model.card.kind]
        for part in self._parts.values():
            channels_last(part.to(self.device))

    @torch.inference_mode()
    def run(self, part: str, inputs: list[Array], *, fleeting: bool = False) -> list[Array]:
        chosen = self._parts[part]
        half = not self._kinds[part].exact and self.dtype != torch.float32
        try:
            with torch.autocast(self.device.type, self.dtype, enabled=half):
                out = chosen(*[self._put(x) for x in inputs])
        except torch.OutOfMemoryError as error:
            torch.cuda.empty_cache()
            raise MemoryError(str(error)) from error
        return [_get(o) for o in (out if isinstance(out, tuple) else (out,))]

    def close(self) -> None:
        """Drop the networks; on CUDA give the memory back."""
        self._parts.clear()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _put(self, array: Array) -> torch.Tensor:
        tensor = torch.from_numpy(array).to(self.device)
        return tensor.contiguous(memory_format=torch.channels_last) if tensor.dim() == 4 else tensor


def _get(tensor: torch.Tensor) -> Array:
    out: Array = np.ascontiguousarray(tensor.float().cpu().numpy(), np.float32)
    return out
