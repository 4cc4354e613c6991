# SPDX-License-Identifier: Apache-2.0
"""Reads pictures of 16 bits or more, and floating point, with OpenImageIO."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from texgen.errors import InvalidRequestError
from texgen.files.images import linear_to_srgb
from texgen.maps import Pixels, from_unit

LINEAR = ("lin", "linear", "scene_linear")
TOLERANCE = 1e-3
"""Floating point samples this far beyond [0, 1] are clipped without a word."""


def read_deep(
    data: bytes, name: str, container: str, *, colour: bool, max_pixels: int
) -> tuple[Pixels, tuple[str, ...]]:
    """Decode as (H, W, C) uint8 or uint16, with notes on what was converted.

    Linear colour becomes sRGB. Heights beyond [0, 1] are scaled to it. Raises
    InvalidRequestError.
    """
    oiio = _openimageio(name)
    with tempfile.TemporaryDirectory(prefix="texgen") as folder:
        path = Path(folder) / f"picture.{container.lower()}"
        path.write_bytes(data)
        samples, spec = _samples(oiio, path, name, max_pixels)
    samples, notes = _channels(samples, name, colour=colour)
    if samples.dtype.kind == "f":
        return _from_float(samples, name, notes, colour=colour, linear=_is_linear(spec, container))
    if samples.dtype == np.uint32:
        samples = (samples >> 16).astype(np.uint16)
    if samples.dtype not in (np.uint8, np.uint16):
        raise InvalidRequestError(
            f"{name} has {samples.dtype} samples: save it with 8 or 16 bits", "picture"
        )
    return np.ascontiguousarray(samples), notes


def _openimageio(name: str) -> Any:
    """Load OpenImageIO on first use: starting it takes longer than a small picture."""
    try:
        import OpenImageIO
    except ImportError as error:
        raise InvalidRequestError(
            f"{name} needs OpenImageIO (pip install 'texgen[deep]'), or save it with 8 bits",
            "picture",
        ) from error
    return OpenImageIO


def _samples(oiio: Any, path: Path, name: str, max_pixels: int) -> tuple[NDArray[Any], Any]:
    """Decode in the file's own type, after its size has been checked."""
    source = oiio.ImageInput.open(str(path))
    if source is None:
        raise InvalidRequestError(f"{name} is damaged: {_said(oiio, path)}", "picture")
    try:
        spec = source.spec()
        if spec.width * spec.height * max(spec.depth, 1) > max_pixels:
            raise InvalidRequestError(
                f"{name} has {spec.width} x {spec.height} px: at most {max_pixels} px are read; "
                f"cut it into parts",
                "picture",
            )
        if not 1 <= spec.nchannels <= 64:
            raise InvalidRequestError(f"{name} has {spec.nchannels} channels", "picture")
        samples = source.read_image(str(spec.format))
        if samples is None:
            raise InvalidRequestError(
                f"{name} is truncated or damaged: {source.geterror().strip()}", "picture"
            )
    finally:
        source.close()
    return np.asarray(samples).reshape(spec.height, spec.width, spec.nchannels), spec


def _said(oiio: Any, path: Path) -> str:
    message = str(oiio.geterror()).strip() or "it cannot be opened"
    return message.replace(str(path), "the file").splitlines()[0]


def _channels(
    samples: NDArray[Any], name: str, *, colour: bool
) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Reduce to 1, 3 or 4 channels."""
    count = samples.shape[2]
    if count == 2:
        if not colour:
            return samples[..., :1], ("alpha left out",)
        return samples[..., [0, 0, 0, 1]], ("grey with alpha",)
    if count in (1, 3, 4):
        return samples, ()
    raise InvalidRequestError(f"{name} has {count} channels: save grey, RGB or RGBA", "picture")


def _is_linear(spec: Any, container: str) -> bool:
    space = str(spec.getattribute("oiio:ColorSpace") or "").lower()
    return container in ("EXR", "HDR") or space.startswith(LINEAR)


def _from_float(
    samples: NDArray[Any],
    name: str,
    notes: tuple[str, ...],
    *,
    colour: bool,
    linear: bool,
) -> tuple[Pixels, tuple[str, ...]]:
    values = samples.astype(np.float32)
    if not np.isfinite(values).all():
        raise InvalidRequestError(f"{name} has samples that are no numbers", "picture")
    if colour and linear:
        rgb = slice(0, min(3, values.shape[2]))
        values[..., rgb] = linear_to_srgb(values[..., rgb])
        notes += ("converted from linear light to sRGB",)
    low, high = float(values.min()), float(values.max())
    if low < -TOLERANCE or high > 1.0 + TOLERANCE:
        if values.shape[2] > 1:
            raise InvalidRequestError(
                f"{name} has samples from {low:.3g} to {high:.3g}: maps lie between 0 and 1",
                "picture",
            )
        values = (values - low) / (high - low)
        notes += (f"scaled from {low:.4g} to {high:.4g} into 0 to 1",)
    return from_unit(values, np.uint16, half_to_even=True), notes
