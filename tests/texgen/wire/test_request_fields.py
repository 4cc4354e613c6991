# SPDX-License-Identifier: Apache-2.0
"""Whatever an argument is: it becomes a field, or InvalidRequestError names it."""

from __future__ import annotations

import inspect
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from texgen.errors import InvalidRequestError
from texgen.maps import MapKind
from texgen.wire import request_fields as fields
from texgen.wire import requests

VALID = {
    "recipe": "tg1:x",
    "amount": 0.5,
    "parts": {"tg1:x": 1.0},
    "photo": b"x",
    "maps": {MapKind.AO: np.zeros((4, 4, 1), np.uint8)},
}
BUILDERS = (
    requests.generate,
    requests.vary,
    requests.mix,
    requests.capture,
    requests.upscale,
    requests.repair,
    requests.generate_environment,
)
ARGUMENTS = [(build, name) for build in BUILDERS for name in inspect.signature(build).parameters]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([2**31, 2**32, 2**63, 2**64, -1, 10**400]),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(["\ud800", "\0", "ao", "sr", "layout"]),
    st.binary(max_size=5),
    st.just(object()),
    st.just(np.zeros(3)),
    st.just(np.float64("nan")),
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(inner, inner),
        st.dictionaries(
            st.one_of(st.text(max_size=5), st.integers(), st.none()), inner, max_size=3
        ),
    ),
    max_leaves=5,
)


def build_with(build, name, value):
    required = {
        p.name: VALID[p.name]
        for p in inspect.signature(build).parameters.values()
        if p.default is inspect.Parameter.empty
    }
    call = build(**(required | {name: value}))
    if not hasattr(call.request, "SerializeToString"):
        return [message.SerializeToString() for message in call.request]
    return call.request.SerializeToString()


@pytest.mark.parametrize(("build", "name"), ARGUMENTS, ids=lambda x: getattr(x, "__name__", x))
@settings(max_examples=40)
@given(value=ANYTHING)
def test_any_argument_is_taken_or_refused_by_our_error(build, name, value):
    with suppress(InvalidRequestError):
        build_with(build, name, value)


@pytest.mark.parametrize(
    ("build", "name", "value", "message"),
    [
        (requests.generate, "classes", 5, "classes: 5 of type int; give numbers by name"),
        (requests.generate, "classes", {"bark": "much"}, "classes: 'much' of type str"),
        (requests.generate, "seed", -1, "seed -1: allowed are whole numbers from 0 to 18446744"),
        (requests.generate, "seed", 1.5, "seed: 1.5 of type float; give a whole number"),
        (requests.generate, "size_px", 1024, r"size: 1024 of type int; give a list or tuple"),
        (requests.generate, "size_px", (1, 2, 3), r"size \(1, 2, 3\): give \(width, height\)"),
        (requests.generate, "size_px", (-1, 2), "size -1 px: give a positive number"),
        (requests.generate, "window_px", (2**63, 0, 1, 1), "too far from the origin"),
        (requests.generate, "psi", "1", "psi: '1' of type str; give a number"),
        (requests.generate, "psi", 10**400, "too large for a float"),
        (requests.generate, "controls", [1], r"controls: \[1\] of type list"),
        (requests.generate, "recipe", "\ud800", "not valid Unicode"),
        (requests.generate, "mask", "file.png", "mask: 'file.png' of type str; give the bytes"),
        (requests.generate, "endless", "no", "endless: 'no' of type str; give True or False"),
        (requests.generate, "detail", "ultra", "detail 'ultra': allowed are sr"),
        (requests.generate, "maps", "ao", "maps: 'ao' of type str; give a list or tuple"),
        (requests.generate, "maps", ["gloss"], "maps 'gloss': allowed are basecolor, normal"),
        (requests.generate, "encoding", "jpeg", "encoding 'jpeg': allowed are raw, png, exr"),
        (requests.vary, "locks", ["smell"], "lock 'smell': allowed are layout, colour, relief"),
        (requests.vary, "count", -1, "count -1: allowed are whole numbers from 0"),
        (requests.mix, "parts", ["tg1:x"], "give pairs of a recipe and its weight"),
        (requests.mix, "mode", "stir", "mode 'stir': allowed are blend, look, paint, transition"),
        (requests.capture, "photo", None, "photo: None of type NoneType; give the bytes"),
        (requests.capture, "palette", [2**32], "palette 4294967296: allowed are"),
        (requests.upscale, "border", "none", "border 'none': allowed are wrap, wrap-x"),
        (requests.upscale, "maps", {"ao": [1]}, "give a numpy array"),
        (requests.upscale, "maps", {"ao": np.zeros((2, 2, 1), np.float32)}, "ao: float32 of shape"),
        (requests.repair, "tiling", "sometimes", "tiling 'sometimes': allowed are auto, always"),
    ],
)
def test_the_message_says_what_was_given_and_what_is_allowed(build, name, value, message):
    with pytest.raises(InvalidRequestError, match=message):
        build_with(build, name, value)


def test_the_error_names_the_field():
    with pytest.raises(InvalidRequestError) as caught:
        fields.seed_field(-1)
    assert caught.value.field == "seed"
