# SPDX-License-Identifier: Apache-2.0
"""Engines schedule jobs on devices.

`load_engine` is the door: Ray is imported here, when asked for, and nowhere else.
"""

from __future__ import annotations

from texgen_server.config import ServerConfig
from texgen_server.engine.base import Engine
from texgen_server.engine.local import LocalEngine


def load_engine(config: ServerConfig) -> Engine:
    """The engine that the configuration names. Raises LoadError when it cannot be had."""
    if config.engine == "ray":
        from texgen_server.engine.cluster import RayEngine

        return RayEngine(config)
    return LocalEngine(config)
