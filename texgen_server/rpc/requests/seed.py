# SPDX-License-Identifier: Apache-2.0
"""Seeds of requests."""

from __future__ import annotations

import secrets
from typing import Literal, Protocol


class HasSeed(Protocol):
    """A request with an optional seed."""

    @property
    def seed(self) -> int:
        """The given seed; meaningless where there is none."""

    def HasField(self, field_name: Literal["seed"]) -> bool:  # noqa: N802 - a method of protobuf
        """Return True if a seed was given."""


def seed_of(request: HasSeed) -> int:
    """Return the seed of a request, or a random one of 32 bits."""
    return request.seed if request.HasField("seed") else secrets.randbelow(2**32)
