# SPDX-License-Identifier: Apache-2.0
"""Addresses of servers, without Blender."""

from __future__ import annotations

import pytest

from blender_addon.addresses import check_online_access, split_address


@pytest.mark.parametrize(
    ("address", "split"),
    [
        ("127.0.0.1:50051", ("127.0.0.1", 50051)),
        (" render-box:1 ", ("render-box", 1)),
        ("[::1]:65535", ("::1", 65535)),
    ],
)
def test_an_address_is_host_and_port(address, split):
    assert split_address(address) == split


@pytest.mark.parametrize("address", ["", "host", ":50051", "host:", "host:0", "host:65536", "h:x"])
def test_anything_else_is_refused_with_what_to_write(address):
    with pytest.raises(ValueError, match="write HOST:PORT"):
        split_address(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_this_machine_needs_no_online_access(host):
    check_online_access(host, allowed=False)


@pytest.mark.parametrize("host", ["10.0.0.1", "render-box", "localhost.example", "2001:db8::1"])
def test_another_machine_needs_online_access(host):
    check_online_access(host, allowed=True)
    with pytest.raises(ValueError, match="Online access is off"):
        check_online_access(host, allowed=False)
