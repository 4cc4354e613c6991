# SPDX-License-Identifier: Apache-2.0
"""The server that a command starts inside its own process when it is given no ``--server``."""

from __future__ import annotations

from pathlib import Path

from texgen_server.config import ServerConfig
from texgen_server.process.settings import tune_this_process
from texgen_server.rpc.server import EmbeddedServer


def command_server(models: Path | None, device: str) -> EmbeddedServer:
    """Make a server on a free loopback port, for a process that belongs to the command."""
    tune_this_process()
    return EmbeddedServer(ServerConfig(port=0, models=models, device=device, grace_s=0.0))
