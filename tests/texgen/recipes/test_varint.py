# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from texgen.recipes.varint import varint


@pytest.mark.parametrize(
    ("number", "data"),
    [(0, b"\x00"), (1, b"\x01"), (127, b"\x7f"), (128, b"\x80\x01"), (300, b"\xac\x02")],
)
def test_numbers_are_written_as_protobuf_does(number, data):
    assert varint(number) == data


def test_the_largest_seed_has_ten_bytes():
    assert len(varint(2**64 - 1)) == 10
