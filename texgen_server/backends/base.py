# SPDX-License-Identifier: Apache-2.0
"""What runs a network. An engine holds one backend per model and device and calls it from one thread."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from texgen_server.fields import Fields

Array = NDArray[np.float32]


class MaterialBackend(Protocol):
    """A material generator, compiled for one device."""

    name: str
    """Engine and precision, such as ``openvino-cpu/bf16``: recorded with each result."""

    def style(self, code: Array, log2_density: Array) -> tuple[Array, Array]:
        """(B, code_dim), (B, 1) -> style (B, style_dim) and relief in tiles (B,), in float32."""
        ...

    def features(self, style: Array, fields: Fields) -> list[Array]:
        """The trunk, in the backend's precision: -> what `head` takes.

        ``style`` (B, levels, style_dim), or where the fields have shares (B, sources, style_dim).
        """
        ...

    def head(self, features: list[Array], fields: Fields) -> Array:
        """The last convolution, in float32 whatever the precision: -> (B, 7, H, W) in [0, 1]."""
        ...

    def close(self) -> None:
        """Release the device's memory."""
        ...
