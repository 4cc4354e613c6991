# SPDX-License-Identifier: Apache-2.0
"""Pixels of materials, and pictures to send."""

from __future__ import annotations

from texgen.files.images import decode
from texgen.maps import MapKind


def pixels(material, kind=MapKind.BASECOLOR):
    return decode(material.maps[kind]).astype(int)
