# SPDX-License-Identifier: Apache-2.0
"""Seams that show."""

from __future__ import annotations

from tests.texgen_server.repair.pictures import blobs
from texgen.maps import MapKind
from texgen_server.repair.seam_detection import seam_axes


def test_a_seam_is_seen_only_where_there_is_one(rng, crop):
    assert seam_axes(crop) == (True, True)
    assert seam_axes({MapKind.BASECOLOR: blobs(rng, period=True)}) == (False, False)
    half = blobs(rng, period=True)[:, :-30]
    assert seam_axes({MapKind.BASECOLOR: half}) == (False, True)
