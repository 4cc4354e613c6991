# SPDX-License-Identifier: Apache-2.0
"""Engines schedule jobs on devices.

`load_engine` is a door: Ray is imported here, when it is configured, and nowhere else.
"""

from __future__ import annotations

from texgen_server.config import ServerConfig
from texgen_server.engine.local import LocalEngine
from texgen_server.engine.protocol import Engine


def load_engine(config: ServerConfig) -> Engine:
    """Start the engine that the configuration names. Raises LoadError when it cannot start."""
    if config.engine == "ray":
        # Door: Ray is optional, and takes seconds to import.
        from texgen_server.engine.cluster import RayEngine

        return RayEngine(config)
    return LocalEngine(config)
