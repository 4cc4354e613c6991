# SPDX-License-Identifier: Apache-2.0
"""Writes an environment to files: the panorama, a preview, a sidecar; on request cube faces, a PNG
skybox, irradiance.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import numpy as np

from texgen._version import __version__
from texgen.files.document import Sidecar
from texgen.files.images import decode, encode_exr, encode_png
from texgen.files.material import sealed_contents
from texgen.maps import ColorSpace, Environment
from texgen.provenance.signing import Signer
from texgen.render.panorama import (
    FACES,
    MIDDLE_GREY,
    Array,
    cube_faces,
    expose,
    geometric_mean,
    irradiance_harmonics,
    irradiance_map,
    radiance_harmonics,
    tone_map,
)

PREVIEW_PX, IRRADIANCE_ROWS = 1024, 32
EDGE_SHARE = 4
"""The panorama's width over a cube's edge: about as many pixels per degree."""


@dataclass(frozen=True)
class Extras:
    """The files to write besides panorama, preview and sidecar."""

    cubemap: bool = False
    ldr: bool = False
    irradiance: bool = False


def environment_names(stem: str, extras: Extras) -> dict[str, str]:
    """Return the file names by content, the sidecar last."""
    names = {"environment": f"{stem}_environment.exr", "preview": f"{stem}_environment_preview.png"}
    if extras.cubemap:
        names |= {f"cube_{face}": f"{stem}_cube_{face}.exr" for face in FACES}
    if extras.ldr:
        names["ldr"] = f"{stem}_environment_ldr.png"
    if extras.ldr and extras.cubemap:
        names |= {f"cube_{face}_ldr": f"{stem}_cube_{face}_ldr.png" for face in FACES}
    if extras.irradiance:
        names["irradiance"] = f"{stem}_irradiance.exr"
    return names | {"sidecar": f"{stem}.json"}


def environment_contents(
    environment: Environment, stem: str, extras: Extras, signer: Signer | None = None
) -> dict[str, bytes | memoryview]:
    """Return the contents of the files by name, for `texgen.files.material.write_files`."""
    names = environment_names(stem, extras)
    panorama = np.asarray(decode(environment.panorama), np.float32)
    files = {
        "environment": encode_exr(panorama.astype(np.float16), ColorSpace.LINEAR),
        "preview": _preview(panorama),
    }
    exposure = MIDDLE_GREY / geometric_mean(panorama)
    if extras.cubemap:
        for face, pixels in cube_faces(panorama, panorama.shape[1] // EDGE_SHARE).items():
            files[f"cube_{face}"] = encode_exr(pixels.astype(np.float16), ColorSpace.LINEAR)
            if extras.ldr:
                files[f"cube_{face}_ldr"] = _png(pixels, exposure)
    if extras.ldr:
        files["ldr"] = _png(panorama, exposure)
    radiance = radiance_harmonics(panorama)
    if extras.irradiance:
        files["irradiance"] = encode_exr(
            irradiance_map(radiance, IRRADIANCE_ROWS).astype(np.float16), ColorSpace.LINEAR
        )
    document = environment_sidecar(
        environment, stem, extras, irradiance_harmonics(radiance) if extras.irradiance else None
    )
    contents = {names[what]: data for what, data in files.items()}
    return sealed_contents(contents, document, stem, signer)


def environment_sidecar(
    environment: Environment, stem: str, extras: Extras, irradiance: Array | None
) -> Sidecar:
    """Return the content of the sidecar."""
    names = {
        what: name for what, name in environment_names(stem, extras).items() if what != "sidecar"
    }
    document: Sidecar = {
        "generator": f"texgen {__version__}",
        "recipe": environment.recipe,
        "model_digest": environment.model_digest,
        "engine": environment.engine,
        "seed": environment.seed,
        "size_px": [environment.panorama.width_px, environment.panorama.height_px],
        "projection": "equirectangular; azimuth 0 at the centre, increasing to the right",
        "color_space": "linear Rec.709 radiance",
        "controls": environment.controls,
        "lights": [asdict(light) for light in environment.lights],
        "output_licence": environment.output_licence,
        "timings_s": {k: round(v, 4) for k, v in environment.timings_s.items()},
        "cache_hit": environment.cache_hit,
        "files": names,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    if irradiance is not None:
        document["irradiance_harmonics"] = {
            "order": "1; y, z, x; xy, yz, 3z^2-1, xz, x^2-y^2 with x right (azimuth 90), y up, "
            "z forward (azimuth 0); orthonormal",
            "rgb": [[round(float(v), 6) for v in row] for row in irradiance],
        }
    return document


def _preview(panorama: Array) -> bytes:
    step = max(1, panorama.shape[1] // PREVIEW_PX)
    rows, columns = panorama.shape[0] // step, panorama.shape[1] // step
    return encode_png(
        tone_map(panorama.reshape(rows, step, columns, step, 3).mean((1, 3))), srgb=True
    )


def _png(radiance: Array, exposure: float) -> bytes:
    return encode_png(expose(radiance, exposure), srgb=True)
