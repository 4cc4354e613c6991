# SPDX-License-Identifier: Apache-2.0
"""Text files as editors of other systems save them."""

from __future__ import annotations

import codecs

import pytest

from texgen.errors import InvalidRequestError
from texgen.inputs.texts import decode_text, read_text

TEXT = 'name = "größe"\nsize = 3\n'


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode(),
        codecs.BOM_UTF8 + TEXT.encode(),
        TEXT.encode("utf-16"),
        codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
        TEXT.encode("utf-32"),
        TEXT.replace("\n", "\r\n").encode(),
        codecs.BOM_UTF8 + TEXT.replace("\n", "\r\n").encode(),
    ],
)
def test_every_encoding_with_a_mark_gives_the_same_text(tmp_path, data):
    (tmp_path / "a.toml").write_bytes(data)
    assert read_text(tmp_path / "a.toml", "config") == TEXT


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (TEXT.encode("utf-16-le"), "UTF-16 without a byte order mark|no utf-8 text"),
        ("x = 1".encode("utf-16-be"), "UTF-16 without a byte order mark"),
        ("größe".encode("latin-1"), "no utf-8 text: save it as UTF-8"),
        (codecs.BOM_UTF16_LE + b"a", "no utf-16 text"),
    ],
)
def test_what_is_no_text_is_refused_by_name(data, words):
    with pytest.raises(InvalidRequestError, match=words) as refused:
        decode_text(data, "a.toml", "config")
    assert "a.toml" in str(refused.value)
