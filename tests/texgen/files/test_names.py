# SPDX-License-Identifier: Apache-2.0
"""Names of files to be written: legal on every system, or refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from texgen.errors import InvalidRequestError
from texgen.files.names import MAX_BYTES, checked_stem


@pytest.mark.parametrize(
    "name", ["wall", "castle wall 2", "größe", "壁", "🧱", "a.b", "console", "v1.2"]
)
def test_plain_names_are_kept(name):
    assert checked_stem(name) == name


def test_names_come_out_composed():
    assert checked_stem("gro\u0308\u00dfe") == "gr\u00f6\u00dfe"


@pytest.mark.parametrize(
    "name",
    [
        *("", " ", ".", "..", "AUX", "con", "Nul.png", "com1", "LPT9.txt", "COM\u00b2", "aux .x"),
        *("wall.", "wall ", ".hidden", "a:b", "a/b", "a\\b", "x/../../y", "a*", "a?", 'a"', "a|b"),
        *("a<b", "a\nb", "a\0b", "x" * 300, "\ud800"),
    ],
)
def test_what_some_system_forbids_is_refused_everywhere(name):
    with pytest.raises(InvalidRequestError) as refused:
        checked_stem(name)
    assert refused.value.field == "name"


@given(st.text())
def test_what_passes_is_a_file_name(tmp_path_factory, name):
    try:
        stem = checked_stem(name)
    except InvalidRequestError:
        return
    assert 0 < len(stem.encode()) <= MAX_BYTES
    place = tmp_path_factory.mktemp("names") / f"{stem}_basecolor.png"
    place.write_bytes(b"")
    assert place.parent.joinpath(f"{stem}_basecolor.png").exists()
