# SPDX-License-Identifier: Apache-2.0
"""The interface of a backend, which runs one network on one device."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


class Backend(Protocol):
    """A network of any kind, compiled for one device. Runs one call at a time."""

    name: str
    """Name of the arithmetic (`precision.Arithmetic.name`), recorded with each result."""
    threads: int
    """CPU threads that it uses; 0 when unknown."""

    def run(self, part: str, inputs: list[Array], *, reuse_outputs: bool = False) -> list[Array]:
        """Run one part of the network (`networks.params.PARTS`) on float32 arrays, in float32 or,
        where the part allows it, in the backend's precision.

        ``reuse_outputs``: the results are valid only until the same part runs so again, which saves
        a copy. Raises MemoryError when the device has too little.
        """
        ...

    def close(self) -> None:
        """Release the device's memory."""
        ...
