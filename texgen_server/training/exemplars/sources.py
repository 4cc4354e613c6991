# SPDX-License-Identifier: Apache-2.0
"""Maps of one stored material set, read from WebP, AVIF or PNG files as float arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from texgen.errors import InvalidRequestError

Array = NDArray[np.float32]
ENDINGS = ("webp", "avif", "png")


def find_map(folder: Path, name: str) -> Path | None:
    """Return the file of a map with any of `ENDINGS`; None where the set has none."""
    return next(
        (path for ending in ENDINGS if (path := folder / f"{name}.{ending}").is_file()), None
    )


def read_map(folder: Path, name: str, channels: int) -> Array | None:
    """Read a map as (H, W, 3) or (H, W) float32 in [0, 1], values as stored; None where the set has
    none.
    """
    path = find_map(folder, name)
    if path is None:
        return None
    try:
        with Image.open(path) as picture:
            if picture.mode.startswith("I"):  # 16 bits
                values = np.asarray(picture, np.float32) / np.float32(65535.0)
                return values if channels == 1 else np.repeat(values[..., None], 3, 2)
            return np.asarray(
                picture.convert("L" if channels == 1 else "RGB"), np.float32
            ) / np.float32(255.0)
    except OSError as error:
        raise InvalidRequestError(
            f"{path}: cannot be read ({error}); AVIF needs Pillow 11.3 or newer"
        ) from error
