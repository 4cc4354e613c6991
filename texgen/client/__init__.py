# SPDX-License-Identifier: Apache-2.0
"""The clients of the server: `Client`, and `AsyncClient` for asyncio.

Importing this package needs grpcio, never torch.
"""

from texgen.client.aio import AsyncClient
from texgen.client.sync import Client

__all__ = ["AsyncClient", "Client"]
