# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from texgen.errors import InvalidRequestError
from texgen.maps import Encoding, MapKind


def test_a_position_is_what_generate_returns(client):
    options = {"seed": 5, "psi": 0.5, "maps": [MapKind.AO], "encoding": Encoding.RAW}
    with client.explore() as sliders:
        number = sliders.send("bark", size_px=(64, 64), **options)
        sliders.close()
        ((answered, material),) = list(sliders)
    assert answered == number == 1
    same = client.generate("bark", size_px=(64, 64), **options)
    assert material.maps == same.maps
    assert material.recipe == same.recipe


def test_a_position_that_cannot_be_sent_is_refused_at_once(client):
    with client.explore() as sliders:
        with pytest.raises(InvalidRequestError, match="seed"):
            sliders.send("bark", seed=-1)
        assert sliders.send("bark", size_px=(32, 32)) == 1


def test_a_position_that_cannot_be_generated_gets_an_error_of_its_own(client):
    with client.explore() as sliders:
        sliders.send("chocolate", size_px=(32, 32))
        sliders.close()
        ((number, error),) = list(sliders)
    assert number == 1
    assert isinstance(error, InvalidRequestError)
