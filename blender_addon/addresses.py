# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses of servers: parsed, and checked against Blender's online access. Does not use bpy."""

import ipaddress

DEFAULT_ADDRESS = "127.0.0.1:50051"


def split_address(address: str) -> tuple[str, int]:
    """Split ``"127.0.0.1:50051"`` or ``"[::1]:50051"`` into (host, port).

    Raises ValueError with a message for the user.
    """
    host, _, port = address.strip().rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(
            f"Server address {address!r}: write HOST:PORT, such as {DEFAULT_ADDRESS} "
            f"(Preferences > Add-ons > TexGen)"
        )
    return host.strip("[]"), int(port)


def check_online_access(host: str, *, allowed: bool) -> None:
    """Raise ValueError for another machine unless Blender's "Allow Online Access" is on."""
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = host == "localhost"
    if not loopback and not allowed:
        raise ValueError(
            f"Online access is off, and {host} is another machine: enable it in Preferences > "
            f"System > Network"
        )
