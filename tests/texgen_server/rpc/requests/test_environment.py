# SPDX-License-Identifier: Apache-2.0
"""Requests for environments."""

from __future__ import annotations

import pytest

from texgen.errors import InvalidRequestError
from texgen.maps import Encoding


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"classes": "submarine"}, "unknown class"),
        ({"classes": ""}, "no class given"),
        ({"classes": "indoor", "width_px": 300}, "256, 512, 1024, 2048"),
        ({"classes": "indoor", "controls": {"sun_elevation_deg": 91.0}}, "allowed is -20 to 90"),
        ({"classes": "indoor", "controls": {"haze": 1.0}}, "unknown control"),
        ({"classes": "indoor", "encoding": Encoding.PNG}, "exr and raw"),
        ({"classes": "indoor", "recipe": "tg1:AAAA"}, "give the recipe alone"),
        ({"recipe": "tg1:AAAA"}, "damaged"),
        ({"classes": "bark", "model": "material"}, "of kind 'material'"),
    ],
)
def test_bad_requests_are_told_what_is_allowed(client, arguments, said):
    with pytest.raises(InvalidRequestError, match=said):
        client.generate_environment(**arguments)
