# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import pytest

from tests.texgen.batch.specs import spec
from texgen.batch.spec import read_spec
from texgen.errors import InvalidRequestError


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ('[[set]]\nclass = "bark"\nsize = 64\nsedes = 3', 4, "unknown key 'sedes'"),
        ('[[set]]\nname = "x"', 1, "class, prompt or recipe"),
        ('[[set]]\nclass = "bark"\nprompt = "old"', 2, "one of the three"),
        ("[[set]]\nclass = 3", 2, "class must be text"),
        ('[[set]]\nclass = "bark"\ncount = true', 3, "whole number"),
        ('[[set]]\nclass = "bark"\nseeds = "5..1"', 3, "range such as"),
        ('[[set]]\nclass = "bark"\nseeds = [1, 1]', 3, "stands twice"),
        ('[[set]]\nclass = "bark"\nseeds = [-1]', 3, "from 0 on"),
        ('[[set]]\nclass = "bark"\nseeds = [1, 2]\ncount = 5', 4, "single seed"),
        ('[[set]]\nclass = "bark"\ncontrols = { age = "old" }', 3, "control age"),
        ('[[set]]\nclass = "bark"\ncontrols = { age = [] }', 3, "control age"),
        (
            '[[set]]\nclass = "bark"\n\n[[set]]\nclass = "brick"\nseeds = "1..1000000000"',
            6,
            "too many",
        ),
        ('[[set]]\nclass = "bark"\nname = "../../etc/passwd"', 3, "no plain file name"),
        ('[[set]]\nclass = "bark"\nname = "a/b"', 3, "no plain file name"),
        ('[[set]]\nclass = "bark"\nname = "con"\npattern = "{name}"', 3, "no plain file name"),
        ('[[set]]\nclass = "bark"\npattern = "{name}_{age}"', 3, "there are {name}"),
        (
            '[[set]]\nclass = "bark"\n[[set]]\nclass = "bark"',
            3,
            "two sets are called bark_1 .the other one: line 1",
        ),
        (
            '[[set]]\nclass = "bark"\n[[set]]\nname = "BARK"\nclass = "brick"',
            3,
            "two sets are called BARK_1",
        ),
        ('[[set]]\nclass = "bark"\npreset = "uneral"', 3, "there is no preset"),
        ('[[set]]\nclass = "bark"\nsize = "big"', 3, "size 'big'"),
        ('[[set]]\nname = "r"\nrecipe = "tg1:abc"\nseeds = [1]', 4, "already says"),
        ('[[set]]\nrecipe = "tg1:abc"', 2, "needs a name"),
        ('[defaults]\nsize = 64\nfinish = 3\n[[set]]\nclass = "bark"', 3, "unknown key 'finish'"),
        ('[[set]]\nclass = "bark"\n[set.controls]\nage = "old"', 3, "control age"),
    ],
)
def test_a_bad_spec_is_refused_with_its_line(tmp_path, text, line, why):
    with pytest.raises(InvalidRequestError, match=why) as error:
        read_spec(spec(tmp_path, text))
    found = str(error.value)
    assert f"line {line}:" in found or (line == 6 and "line 4:" in found), found
