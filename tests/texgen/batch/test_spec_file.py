# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json

import pytest

from tests.texgen.batch.specs import spec
from texgen.batch.spec import read_spec
from texgen.errors import InvalidRequestError


def test_json_and_csv_say_the_same(tmp_path):
    document = {
        "defaults": {"size": 64},
        "set": [
            {"class": "bark", "seeds": "1..3"},
            {
                "name": "castle",
                "class": "brick=0.7,rock=0.3",
                "seeds": [4],
                "preset": "unreal",
                "controls": {"relief_depth": [0.5, 2.0], "hue_shift": 10},
            },
        ],
    }
    table = """name,class,seeds,size,preset,control.relief_depth,control.hue_shift
,bark,1..3,64,,,
castle,"brick=0.7,rock=0.3",4,64,unreal,0.5;2.0,10
"""
    plain = [(i.stem, dict(i.request), i.preset) for i in read_spec(spec(tmp_path))]
    for text, name in ((json.dumps(document, indent=1), "s.json"), (table, "s.csv")):
        assert [
            (i.stem, dict(i.request), i.preset) for i in read_spec(spec(tmp_path, text, name))
        ] == plain


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("s.toml", "[[set]", "not valid TOML"),
        ("s.json", '{"set": [', "not valid JSON"),
        ("s.json", '{"sets": []}', "unknown key 'sets'"),
        ("s.json", "[]", "no table"),
        ("s.toml", "", "holds no set"),
        ("s.yaml", "set: []", "a .toml, .json or .csv"),
        ("s.csv", "class,seeds\nbark", "line 2"),
        ("s.csv", "class,control.age\nbark,old", "line 2: control.age"),
        ("s.csv", "class,seeds\nbark,x", "line 2"),
    ],
)
def test_what_is_no_spec_is_refused(tmp_path, name, text, why):
    with pytest.raises(InvalidRequestError, match=why):
        read_spec(spec(tmp_path, text, name))
