# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import time

import pytest

from tests.texgen.batch.specs import STEMS, spec
from texgen.batch.spec import MAX_SETS, read_spec
from texgen.errors import InvalidRequestError


def test_a_spec_becomes_sets_with_names_sweeps_and_presets(tmp_path):
    items = read_spec(spec(tmp_path))
    assert [item.stem for item in items] == STEMS
    assert items[0].request == {"size_px": (64, 64), "classes": {"bark": 1.0}, "seed": 1}
    assert items[4].request["controls"] == {"relief_depth": 2.0, "hue_shift": 10.0}
    assert items[4].sweep == {"relief_depth": 2.0}
    assert [item.preset for item in items] == [""] * 3 + ["unreal"] * 2
    assert [item.line for item in items] == [5] * 3 + [9] * 2


def test_the_largest_spec_is_counted_before_it_is_made(tmp_path):
    assert (
        len(read_spec(spec(tmp_path, f'[[set]]\nclass = "bark"\nseeds = "1..{MAX_SETS}"')))
        == MAX_SETS
    )
    many = ", ".join(str(n / 100) for n in range(100))
    sweep = "{ " + ", ".join(f"c{i} = [{many}]" for i in range(5)) + " }"
    started = time.monotonic()
    with pytest.raises(InvalidRequestError, match="10,000,000,000 sets"):
        read_spec(spec(tmp_path, f'[[set]]\nclass = "bark"\ncontrols = {sweep}'))
    assert time.monotonic() - started < 5
