# SPDX-License-Identifier: Apache-2.0
"""Runs networks with torch, on CUDA or on a CPU."""

from __future__ import annotations

import numpy as np
import torch

from texgen_server.backend import Array
from texgen_server.networks.layers import channels_last
from texgen_server.networks.params import PARTS
from texgen_server.networks.torch_parts import build_parts
from texgen_server.precision import EXACT, decide
from texgen_server.precision.autocast import exact_convolutions, in_precision
from texgen_server.process.torch_guest import as_guest
from texgen_server.registry import LoadedModel

NO_MEMORY = ("out of memory", "ALLOC_FAILED", "unable to find an engine", "not enough memory")
"""Words in torch's messages when memory ran out and the exception's type does not say so: from
cuBLAS, cuDNN (which tries engines that need less until none is left), CPUs.
"""


class TorchBackend:
    """A `Backend` on a torch device."""

    def __init__(self, model: LoadedModel, device: str, precision: str = "auto") -> None:
        self.device = torch.device(device)
        decided = decide("torch" if self.device.type == "cpu" else device, precision)
        self.name, self.precision = decided.name, decided.precision
        self.threads = torch.get_num_threads() if self.device.type == "cpu" else 0
        with as_guest():
            self._parts = build_parts(model.params, model.weights)
        self._kinds = PARTS[model.card.kind]
        for part in self._parts.values():
            channels_last(part.to(self.device))

    @torch.inference_mode()
    def run(self, part: str, inputs: list[Array], *, reuse_outputs: bool = False) -> list[Array]:
        chosen = self._parts[part]
        try:
            with (
                exact_convolutions(),
                in_precision(self.device, EXACT if self._kinds[part].exact else self.precision),
            ):
                out = chosen(*[self._put(x) for x in inputs])
            return [_get(o) for o in (out if isinstance(out, tuple) else (out,))]
        except RuntimeError as error:
            if not _no_memory(error):
                raise
            message = str(error)
        if (
            self.device.type == "cuda"
        ):  # only here: the error held on to what the network had made so far
            torch.cuda.empty_cache()
        raise MemoryError(message)

    def close(self) -> None:
        """Drop the networks; on CUDA release their memory."""
        self._parts.clear()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _put(self, array: Array) -> torch.Tensor:
        tensor = torch.from_numpy(array).to(self.device)
        return tensor.contiguous(memory_format=torch.channels_last) if tensor.dim() == 4 else tensor


def _get(tensor: torch.Tensor) -> Array:
    """Copy a tensor to the CPU in numpy's memory order: the device transposes it faster than one
    thread of the CPU would.
    """
    out: Array = np.ascontiguousarray(tensor.float().contiguous().cpu().numpy(), np.float32)
    return out


def _no_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or any(
        words in str(error) for words in NO_MEMORY
    )
