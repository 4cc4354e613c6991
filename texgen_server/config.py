# SPDX-License-Identifier: Apache-2.0
"""Configuration of a server, as one frozen value."""

from __future__ import annotations

import ipaddress
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from texgen.errors import InvalidRequestError


def default_cache_folder() -> Path:
    """Where compiled graphs are kept: ``TEXGEN_CACHE``, else the user's cache folder of the platform."""
    variable = os.environ.get("TEXGEN_CACHE")
    if variable:
        return Path(variable)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", str(Path.home()))) / "texgen" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "texgen"
    return Path(os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))) / "texgen"


@dataclass(frozen=True)
class ServerConfig:
    """What a server is started with."""

    host: str = "127.0.0.1"
    port: int = 50051
    """0 picks a free one."""
    token: str = ""
    """Empty: no token is asked for, which only a loopback address allows."""
    models: Path | None = None
    device: str = "auto"
    precision: str = "auto"
    threads: int = 0
    cache_folder: Path = field(default_factory=default_cache_folder)
    max_queue: int = 64
    max_pixels: int = 8192 * 8192
    max_message_bytes: int = 4 << 20
    grace_s: float = 10.0


def parse_listen(text: str) -> tuple[str, int]:
    """``"127.0.0.1:50051"`` -> (host, port). Raises InvalidRequestError."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or not 0 <= int(port) <= 65535 or not host:
        raise InvalidRequestError(f"address {text!r}: write HOST:PORT, such as 127.0.0.1:50051", "listen")
    return host, int(port)


def check_exposure(host: str) -> None:
    """Refuse a non-loopback address: it would need TLS, which this version does not serve yet. Raises InvalidRequestError."""
    try:
        loopback = ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        loopback = host == "localhost"
    if not loopback:
        raise InvalidRequestError(
            f"address {host!r} is not loopback, and this version serves no TLS: listen on 127.0.0.1 and bring clients in through an "
            "SSH tunnel (ssh -L 50051:127.0.0.1:50051 HOST)",
            "listen",
        )
