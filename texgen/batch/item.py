# SPDX-License-Identifier: Apache-2.0
"""The texture sets that a batch generates, and their requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypedDict


class ItemRequest(TypedDict, total=False):
    """The arguments of `Client.generate` that a spec chooses; those it leaves out are absent."""

    classes: dict[str, float]
    prompt: str
    recipe: str
    model: str
    seed: int
    size_px: tuple[int, int]
    psi: float
    detail: str
    controls: dict[str, float]


@dataclass(frozen=True)
class Item:
    """A texture set of a batch."""

    stem: str
    line: int
    """Line in the spec."""
    request: ItemRequest
    preset: str = ""
    preview: bool = False
    watermark: bool = False
    """Puts an invisible watermark into the basecolor."""
    sweep: Mapping[str, float] = field(default_factory=dict)
    """Values of the controls that are swept."""
