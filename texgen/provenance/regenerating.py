# SPDX-License-Identifier: Apache-2.0
"""The strongest proof: make a file again from its recipe, and compare."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from texgen.batch.lock import TOLERANCE, grid_means
from texgen.errors import InvalidRequestError
from texgen.files.environment import Extras, environment_contents
from texgen.files.images import decode_exr
from texgen.files.material import material_contents
from texgen.files.pbr_sets import SUFFIXES, map_word
from texgen.files.picture import read_picture
from texgen.maps import Encoding, Pixels, to_unit
from texgen.provenance.watermark import watermarked

STEM = "again"


class Regenerator:
    """Makes files again; the files of one set by one request."""

    def __init__(self, client: Any) -> None:
        """``client`` is a `Client`."""
        self._client = client
        self._made: dict[tuple[str, str], tuple[str, dict[str, bytes | memoryview]]] = {}

    def compare(self, path: Path, recipe: str, about: Mapping[str, Any]) -> tuple[bool, str]:
        """(Is it the same?, in words). ``about`` is its sidecar, empty where there is none.

        On the same engine the same means to the last bit; elsewhere means over an 8 x 8 grid may
        differ by `TOLERANCE`. Raises InvalidRequestError where it cannot be made again: a painted
        mix without its mask, a preset that is not here.
        """
        engine, contents = self._contents(recipe, about)
        name = _name_there(path, about, contents)
        if name not in contents:
            raise InvalidRequestError(f"no file like {path.name} comes of its recipe", "regenerate")
        there, here = _samples(path.name, path.read_bytes()), _samples(name, bytes(contents[name]))
        if there is None or here is None:
            same = path.read_bytes() == contents[name]
            return (
                same,
                "made again: the same to the byte" if same else "made again, it is another file",
            )
        if there.shape != here.shape or there.dtype != here.dtype:
            return (
                False,
                f"made again, it is another picture: {there.shape} {there.dtype} instead of "
                f"{here.shape} {here.dtype}",
            )
        if np.array_equal(there, here):
            return True, "made again: the same, sample for sample"
        return compared(there, here, engine, str(about.get("engine", "")))

    def _contents(
        self, recipe: str, about: Mapping[str, Any]
    ) -> tuple[str, dict[str, bytes | memoryview]]:
        key = (recipe, str(about.get("path", "")))
        if key not in self._made:
            self._made = {key: self._generate(recipe, about)}
        return self._made[key]

    def _generate(
        self, recipe: str, about: Mapping[str, Any]
    ) -> tuple[str, dict[str, bytes | memoryview]]:
        stem = Path(about["path"]).stem if "path" in about else STEM
        if "projection" in about:
            environment = self._client.generate_environment(recipe=recipe)
            files = about.get("files", {})
            extras = Extras(
                cubemap="cube_front" in files, ldr="ldr" in files, irradiance="irradiance" in files
            )
            return environment.engine, environment_contents(environment, stem, extras)
        window = about.get("window_px")
        preset = str(about.get("preset", ""))
        material = self._client.generate(
            recipe=recipe,
            window_px=tuple(window) if window else None,
            endless=bool(about.get("endless")),
            encoding=Encoding.RAW if preset else Encoding.EXR if _is_exr(about) else Encoding.PNG,
        )
        if about.get("watermark"):
            material = watermarked(material)
        return material.engine, material_contents(material, stem, preset)[0]


def _is_exr(about: Mapping[str, Any]) -> bool:
    files = about.get("files", {})
    return isinstance(files, dict) and any(str(name).endswith(".exr") for name in files.values())


def _name_there(path: Path, about: Mapping[str, Any], contents: Mapping[str, Any]) -> str:
    """What the file is called among those that were made again: its own name, or the one that names
    the same map.
    """
    if about or path.name in contents:
        return path.name
    found = map_word(path.stem)
    names = {word[1]: name for name in contents if (word := map_word(Path(name).stem)) is not None}
    return names.get(found[1], "") if found else ""


def _samples(name: str, data: bytes) -> Pixels | None:
    """(H, W, C) of a picture; None for what is none."""
    suffix = Path(name).suffix.lower()
    if suffix == ".exr":
        return decode_exr(data)
    if suffix not in SUFFIXES:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"picture{suffix}")
        path.write_bytes(data)
        return read_picture(path).pixels


def compared(there: Pixels, here: Pixels, engine: str, other: str) -> tuple[bool, str]:
    """(Near enough?, in words) of samples that are not the same: made here by ``engine``, there by
    ``other``.
    """
    if there.dtype == np.float16:  # radiance has no end: compared as a tone curve shows it
        there, here = (_toned(pixels) for pixels in (there, here))
    difference = np.abs(to_unit(there) - to_unit(here))
    told = (
        f"at most {float(difference.max()) * 255.0:.1f}/255, "
        f"{float(difference.mean()) * 255.0:.2f}/255 on average"
    )
    if engine == other:
        return (
            False,
            f"made again, it is another picture ({told}), though the engine ({engine}) is the same",
        )
    worst = int(np.abs(grid_means(there).astype(int) - grid_means(here)).max())
    if worst > round(TOLERANCE * 255.0):
        return False, f"made again, it is another picture ({told})"
    return (
        True,
        f"made again on another engine ({engine}, not {other or 'known'}): the same within "
        f"tolerance ({told})",
    )


def _toned(radiance: Pixels) -> Pixels:
    """Half floats from 0 on -> 16 bits."""
    light = np.maximum(to_unit(radiance), 0.0)
    toned: Pixels = np.rint(light / (1.0 + light) * np.float32(65535.0)).astype(np.uint16)
    return toned
