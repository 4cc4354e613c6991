# SPDX-License-Identifier: Apache-2.0
"""Every name of the contract has its place in the tables, in both directions."""

from __future__ import annotations

import pytest

from texgen.maps import Border, ColorSpace, Encoding, MapKind, Tiling
from texgen.pb import texgen_pb2 as pb
from texgen.recipes.recipe import Lock, MixMode
from texgen.wire import enums

UNSPECIFIED = 0


@pytest.mark.parametrize(
    ("name", "message", "words"),
    [
        ("KIND", pb.MapKind, MapKind),
        ("ENCODING", pb.Encoding, Encoding),
        ("SPACE", pb.ColorSpace, ColorSpace),
        ("DTYPE", pb.Dtype, None),
        ("REPAIR_STEP", pb.RepairStep, None),
        ("BORDER", pb.Border, Border),
        ("TILING", pb.Tiling, Tiling),
        ("LOCK", pb.Lock, Lock),
        ("MIX_MODE", pb.MixMode, MixMode),
    ],
)
def test_a_table_has_all_values_and_its_inverse(name, message, words):
    there, back = getattr(enums, f"{name}_TO_PB"), getattr(enums, f"{name}_FROM_PB")
    assert set(there.values()) == set(message.values()) - {UNSPECIFIED}
    assert {back[value]: value for value in message.values() if value} == there
    assert words is None or set(there) == set(words)


def test_details_are_complete():
    assert set(enums.DETAIL_TO_PB.values()) == set(pb.Detail.values())
