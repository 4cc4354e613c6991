# SPDX-License-Identifier: Apache-2.0
"""Generates a file again from its recipe and compares it, which is the strongest proof
of origin.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from texgen.batch.lock import TOLERANCE, grid_means
from texgen.errors import InvalidRequestError
from texgen.files.document import Sidecar
from texgen.files.environment import Extras, environment_contents
from texgen.files.images import decode_exr
from texgen.files.material import material_contents
from texgen.files.picture import WRITTEN_SUFFIXES
from texgen.inputs.conventions import map_of_role
from texgen.inputs.names import read_name
from texgen.inputs.pictures import read_picture
from texgen.maps import Encoding, Pixels, to_unit
from texgen.provenance.watermark import with_watermark

if TYPE_CHECKING:
    from texgen.client import Client

STEM = "again"


class Regenerator:
    """Generates files again; one request serves all files of a set."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._latest: dict[tuple[str, str], tuple[str, dict[str, bytes | memoryview]]] = {}

    def compare(self, path: Path, recipe: str, sidecar: Sidecar) -> tuple[bool, str]:
        """Return whether a file is the same when it is generated again, and an explanation.

        On the same engine every sample must be equal; on another one means over an 8 x 8 grid may
        differ by `TOLERANCE`. ``sidecar`` is empty where there is none. Raises InvalidRequestError
        where the file cannot be generated again: a painted mix without its mask, a missing preset.
        """
        engine, contents = self._contents(recipe, sidecar)
        name = _matching_name(path, sidecar, contents)
        if name not in contents:
            raise InvalidRequestError(f"no file like {path.name} comes of its recipe", "regenerate")
        given, again = _samples(path.name, path.read_bytes()), _samples(name, bytes(contents[name]))
        if given is None or again is None:
            same = path.read_bytes() == contents[name]
            return (
                same,
                "made again: the same to the byte" if same else "made again, it is another file",
            )
        if given.shape != again.shape or given.dtype != again.dtype:
            return (
                False,
                f"made again, it is another picture: {given.shape} {given.dtype} instead of "
                f"{again.shape} {again.dtype}",
            )
        if np.array_equal(given, again):
            return True, "made again: the same, sample for sample"
        return compare_samples(given, again, engine, str(sidecar.get("engine", "")))

    def _contents(self, recipe: str, sidecar: Sidecar) -> tuple[str, dict[str, bytes | memoryview]]:
        key = (recipe, str(sidecar.get("path", "")))
        if key not in self._latest:
            self._latest = {key: self._generate(recipe, sidecar)}
        return self._latest[key]

    def _generate(self, recipe: str, sidecar: Sidecar) -> tuple[str, dict[str, bytes | memoryview]]:
        stem = Path(sidecar["path"]).stem if "path" in sidecar else STEM
        if "projection" in sidecar:
            environment = self._client.generate_environment(recipe=recipe)
            files = sidecar.get("files", {})
            extras = Extras(
                cubemap="cube_front" in files, ldr="ldr" in files, irradiance="irradiance" in files
            )
            return environment.engine, environment_contents(environment, stem, extras)
        window = sidecar.get("window_px")
        preset = str(sidecar.get("preset", ""))
        material = self._client.generate(
            recipe=recipe,
            window_px=tuple(window) if window else None,
            endless=bool(sidecar.get("endless")),
            encoding=Encoding.RAW if preset else Encoding.EXR if _is_exr(sidecar) else Encoding.PNG,
        )
        if sidecar.get("watermark"):
            material = with_watermark(material)
        return material.engine, material_contents(material, stem, preset)[0]


def _is_exr(sidecar: Sidecar) -> bool:
    files = sidecar.get("files", {})
    return isinstance(files, dict) and any(str(name).endswith(".exr") for name in files.values())


def _matching_name(path: Path, sidecar: Sidecar, contents: Mapping[str, bytes | memoryview]) -> str:
    """Return the name of the file among those that were generated again: its own, or that of the
    same kind of map.
    """
    if sidecar or path.name in contents:
        return path.name
    found = read_name(path.stem)
    names = {
        map_of_role(named.role): name
        for name in contents
        if (named := read_name(Path(name).stem)) is not None
    }
    return names.get(map_of_role(found.role), "") if found else ""


def _samples(name: str, data: bytes) -> Pixels | None:
    """Decode a picture to (H, W, C); None for another kind of file."""
    suffix = Path(name).suffix.lower()
    if suffix == ".exr":
        return decode_exr(data)
    return read_picture(data, name, colour=True).pixels if suffix in WRITTEN_SUFFIXES else None


def compare_samples(
    given: Pixels, again: Pixels, engine: str, given_engine: str
) -> tuple[bool, str]:
    """Return whether samples that differ are near enough for their engines, and an explanation."""
    if given.dtype == np.float16:  # radiance is unbounded: compare it after a tone curve
        given, again = (_tone_curve(pixels) for pixels in (given, again))
    difference = np.abs(to_unit(given) - to_unit(again))
    figures = (
        f"at most {float(difference.max()) * 255.0:.1f}/255, "
        f"{float(difference.mean()) * 255.0:.2f}/255 on average"
    )
    if engine == given_engine:
        return (
            False,
            f"made again, it is another picture ({figures}), though the engine ({engine}) is "
            f"the same",
        )
    worst = int(np.abs(grid_means(given).astype(int) - grid_means(again)).max())
    if worst > round(TOLERANCE * 255.0):
        return False, f"made again, it is another picture ({figures})"
    return (
        True,
        f"made again on another engine ({engine}, not {given_engine or 'known'}): the same within "
        f"tolerance ({figures})",
    )


def _tone_curve(radiance: Pixels) -> Pixels:
    """Compress half floats from 0 on to 16 bits."""
    light = np.maximum(to_unit(radiance), 0.0)
    compressed: Pixels = np.rint(light / (1.0 + light) * np.float32(65535.0)).astype(np.uint16)
    return compressed
