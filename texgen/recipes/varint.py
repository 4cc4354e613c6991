# SPDX-License-Identifier: Apache-2.0
"""Encodes whole numbers in as few bytes as they need, seven bits each.

Source: the protocol buffers encoding specification (base 128 varints).
"""

from __future__ import annotations


def varint(number: int) -> bytes:
    """Encode a number from 0 on."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
