# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from texgen.arguments import parse_class_mix, parse_controls, parse_size
from texgen.errors import InvalidRequestError


def test_command_line_forms():
    assert parse_size("1024x512") == (1024, 512)
    assert parse_size("64") == (64, 64)
    assert parse_class_mix("brick=0.7, rock=0.3") == [("brick", 0.7), ("rock", 0.3)]
    assert parse_controls(["a=1.5"]) == {"a": 1.5}
    for bad in (
        lambda: parse_size("1x2x3"),
        lambda: parse_size("-4"),
        lambda: parse_class_mix("a=b"),
        lambda: parse_controls(["a"]),
    ):
        with pytest.raises(InvalidRequestError):
            bad()
