# SPDX-License-Identifier: Apache-2.0
"""What runs a network. An engine holds one backend per model and device and makes one call at a
time.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


class Backend(Protocol):
    """A network of any kind, compiled for one device."""

    name: str
    """Of the arithmetic (`precision.Arithmetic.name`): recorded with each result."""
    threads: int
    """CPU threads that it uses; 0 when unknown."""

    def run(self, part: str, inputs: list[Array], *, reuse_outputs: bool = False) -> list[Array]:
        """One part of the network (`networks.parts`) on float32 arrays, in float32 or, where the
        part need not, the backend's precision.

        With ``reuse_outputs`` the results need to last only until the same part runs so again, which
        saves a copy. Raises MemoryError when the device has too little.
        """
        ...

    def close(self) -> None:
        """Release the device's memory."""
        ...
