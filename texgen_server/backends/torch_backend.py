# SPDX-License-Identifier: Apache-2.0
"""Runs networks with torch: on CUDA in bfloat16, on a CPU in float32."""

from __future__ import annotations

import numpy as np
import torch

from texgen_server.backends.base import Array
from texgen_server.fields import Fields
from texgen_server.networks.layers import channels_last
from texgen_server.networks.parts import GuidedHeadPart, HeadPart, MappingPart, PaintedTrunkPart, TrunkPart, build_generator
from texgen_server.registry import LoadedModel


class TorchBackend:
    """A `MaterialBackend` on a torch device."""

    def __init__(self, model: LoadedModel, device: str, precision: str) -> None:
        self.device = torch.device(device)
        self.dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        self.name = f"torch-{self.device.type}/{precision}"
        generator = build_generator(model.card.network, model.weights)
        generator = channels_last(generator.to(self.device))
        self._mapping, self._trunk, self._head = MappingPart(generator), TrunkPart(generator), HeadPart(generator)
        self._painted, self._guided_head = PaintedTrunkPart(generator), GuidedHeadPart(generator)

    @torch.inference_mode()
    def style(self, code: Array, log2_density: Array) -> tuple[Array, Array]:
        style, relief = self._mapping(self._put(code), self._put(log2_density))
        return _get(style), _get(relief)

    @torch.inference_mode()
    def features(self, style: Array, fields: Fields) -> list[Array]:
        rest = [self._put(f) for f in (*fields.layouts, *fields.noises, *fields.shares)]
        first = self._put(fields.start).contiguous(memory_format=torch.channels_last)
        guide = self._put(fields.guide) if fields.guided else None
        trunk = self._painted if fields.shares else self._trunk
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
            out = trunk(self._put(style), first, guide, *rest)
        return [_get(o) for o in out]

    @torch.inference_mode()
    def head(self, features: list[Array], fields: Fields) -> Array:
        if fields.guided:
            return _get(self._guided_head(self._put(features[0]), self._put(fields.guide)))
        return _get(self._head(*[self._put(f) for f in features]))

    def close(self) -> None:
        """Drop the networks; on CUDA give the memory back."""
        del self._mapping, self._trunk, self._painted, self._head, self._guided_head
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _put(self, array: Array) -> torch.Tensor:
        return torch.from_numpy(array).to(self.device)


def _get(tensor: torch.Tensor) -> Array:
    out: Array = tensor.float().cpu().numpy().astype(np.float32, copy=False)
    return out
