# SPDX-License-Identifier: Apache-2.0
"""Reads text files of any editor: UTF-8 with or without a byte order mark, UTF-16 with one."""

from __future__ import annotations

import codecs
from pathlib import Path

from texgen.errors import InvalidRequestError

MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks and their encodings; UTF-32's begin as UTF-16's do, so they come first."""


def decode_text(data: bytes, name: str, field: str) -> str:
    """Decode a text file's bytes; ``field`` names it in errors. Line ends become newlines.

    Raises InvalidRequestError for what is no text in UTF-8 or UTF-16.
    """
    encoding = next((e for mark, e in MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise InvalidRequestError(
            f"{name} is no {encoding} text: save it as UTF-8", field
        ) from error
    if "\0" in text:
        raise InvalidRequestError(
            f"{name} looks like UTF-16 without a byte order mark: save it as UTF-8", field
        )
    return text.replace("\r\n", "\n")


def read_text(path: Path, field: str) -> str:
    """Read a text file. Raises InvalidRequestError, OSError."""
    return decode_text(path.read_bytes(), str(path), field)
