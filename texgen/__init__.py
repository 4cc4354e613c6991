# SPDX-License-Identifier: Apache-2.0
"""texgen: tileable PBR materials from a GAN, over gRPC.

    from texgen import Client
    with Client("127.0.0.1:50051") as client:
        material = client.generate("bark", seed=7, size_px=(1024, 1024))

`Client` and `AsyncClient` are loaded on first use (PEP 562), so that programs without grpcio,
Blender above all, can import the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from texgen._version import __version__
from texgen.errors import TexgenError
from texgen.maps import (
    MAP_SPECS,
    ColorSpace,
    Encoding,
    Environment,
    Light,
    MapKind,
    MapSet,
    Material,
    PackedMap,
    PromptChoice,
)
from texgen.modelcard import ModelCard, find_card, list_cards

if TYPE_CHECKING:
    from texgen.client import Client
    from texgen.client.aio import AsyncClient

__all__ = [
    "MAP_SPECS",
    "AsyncClient",
    "Client",
    "ColorSpace",
    "Encoding",
    "Environment",
    "Light",
    "MapKind",
    "MapSet",
    "Material",
    "ModelCard",
    "PackedMap",
    "PromptChoice",
    "TexgenError",
    "__version__",
    "find_card",
    "list_cards",
]


def __getattr__(name: str) -> Any:
    if name == "Client":
        from texgen.client import Client

        return Client
    if name == "AsyncClient":
        from texgen.client.aio import AsyncClient

        return AsyncClient
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
