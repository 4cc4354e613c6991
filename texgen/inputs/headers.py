# SPDX-License-Identifier: Apache-2.0
"""Recognises picture files by their first bytes, and opens them without decoding or warnings."""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

from texgen.errors import InvalidRequestError

SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (0, b"\xff\xd8\xff", "JPEG"),
    (8, b"WEBP", "WEBP"),
    (0, b"II*\x00", "TIFF"),
    (0, b"MM\x00*", "TIFF"),
    (0, b"II+\x00", "TIFF"),
    (0, b"MM\x00+", "TIFF"),
    (0, b"GIF8", "GIF"),
    (0, b"BM", "BMP"),
    (4, b"ftypavif", "AVIF"),
    (4, b"ftypavis", "AVIF"),
    (0, b"v/1\x01", "EXR"),
    (0, b"#?RADIANCE", "HDR"),
    (0, b"#?RGBE", "HDR"),
    (0, b"\xff\x0a", "JXL"),
    (0, b"\x00\x00\x00\x0cJXL \r\n\x87\n", "JXL"),
    (0, b"DDS ", "DDS"),
    (0, b"8BPS", "PSD"),
    (0, b"\xabKTX 20\xbb\r\n\x1a\n", "KTX2"),
)
READ = ("PNG", "JPEG", "WebP", "AVIF", "TIFF", "TGA", "BMP", "EXR", "HDR", "JPEG XL", "DDS")
TGA_TYPES = frozenset({1, 2, 3, 9, 10, 11})
_warnings = threading.RLock()


@contextmanager
def quietly() -> Iterator[None]:
    """Keep Pillow's warnings of odd files from stderr. Filters belong to the whole process, so
    one thread at a time.
    """
    with _warnings, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def container_of(data: bytes, name: str) -> str:
    """Recognise a file by its content. Raises InvalidRequestError for what is no picture."""
    for at, signature, container in SIGNATURES:
        if data[at : at + len(signature)] == signature:
            return container
    if name.lower().endswith(".tga") and len(data) > 18 and data[2] in TGA_TYPES and data[1] < 2:
        return "TGA"
    reason = "it is empty" if not data else f"its content is none of {', '.join(READ)}"
    raise InvalidRequestError(f"{name} is no picture that can be read: {reason}", "picture")


def open_lazily(data: bytes, name: str, container: str) -> Image.Image:
    """Read the header with Pillow. Raises InvalidRequestError.

    The plugin is called directly: `Image.open` would warn on stderr, or refuse, by a limit of
    its own that differs from ours.
    """
    Image.init()
    factory, _ = Image.OPEN[container]
    try:
        picture: Image.Image = factory(io.BytesIO(data), name)
    except (OSError, SyntaxError, ValueError, IndexError, TypeError, EOFError, KeyError) as error:
        raise InvalidRequestError(
            f"{name} is truncated or damaged: {error or 'its header ends early'}", "picture"
        ) from error
    if picture.width < 1 or picture.height < 1:
        raise InvalidRequestError(f"{name} has no pixels", "picture")
    return picture
