# SPDX-License-Identifier: Apache-2.0
"""The command line of the server's bench."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ServerBench:
    """The command line of ``texgen bench server``."""

    models: Path | None
    cache: Path
    size_px: int = 1024
    middle_px: int = 512
    small_px: int = 256
    clients: int = 16
    rounds: int = 7
