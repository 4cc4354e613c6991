# SPDX-License-Identifier: Apache-2.0
"""Hands out a network's weights by name, and reports those that are missing, of another shape, or
left over.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from texgen_server.networks.params import Weights, misfit


class NamedWeights:
    """The weights whose names begin with a prefix.

    ``at(name)`` is the part of them below a name.
    """

    def __init__(self, weights: Weights, prefix: str = "", taken: set[str] | None = None) -> None:
        self._weights, self._prefix = weights, prefix
        self._taken: set[str] = set() if taken is None else taken

    def at(self, name: str | int) -> NamedWeights:
        """Return the weights below a name, or below a number in a list."""
        return NamedWeights(self._weights, f"{self._prefix}{name}.", self._taken)

    def take(self, name: str, *shape: int) -> NDArray[np.float32]:
        """Return an array of that shape.

        Raises LoadError when it is missing or of another shape.
        """
        full = self._prefix + name
        if full not in self._weights:
            raise misfit(f"{full} is missing")
        found = self._weights[full]
        if found.shape != shape:
            raise misfit(f"{full} is {list(found.shape)}, not {list(shape)}")
        self._taken.add(full)
        return np.ascontiguousarray(found, np.float32)

    def check_all_taken(self) -> None:
        """Raise LoadError when some weights belong to no part of the network."""
        if left := sorted(set(self._weights) - self._taken):
            raise misfit(f"no part of the network is called {', '.join(left[:3])}")
