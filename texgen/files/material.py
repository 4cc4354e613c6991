# SPDX-License-Identifier: Apache-2.0
"""Writes a material to files: maps named by convention, and a sidecar.

Existing files are overwritten only on request, and no file is left half written.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from texgen._version import __version__
from texgen.errors import InvalidRequestError, OutputError
from texgen.export.packing import pack
from texgen.export.preset import load_preset
from texgen.export.texture_set import texture_set
from texgen.files.document import Sidecar, json_bytes
from texgen.files.images import EXTENSIONS
from texgen.maps import MAP_SPECS, Material
from texgen.provenance.signing import Signer


def file_names(material: Material, stem: str) -> dict[str, str]:
    """Return the file names by kind of map."""
    return {
        kind: f"{stem}{MAP_SPECS[kind].suffix}.{EXTENSIONS[packed.encoding]}"
        for kind, packed in material.maps.items()
    }


def check_output(folder: Path, names: list[str], *, force: bool) -> None:
    """Check before any work that files can be written.

    Raises OutputError naming the obstacle.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OutputError(
            f"cannot write to {folder}: {error.strerror}; choose another folder with --out"
        ) from error
    existing = [n for n in names if (folder / n).exists()]
    if existing and not force:
        raise OutputError(
            f"{folder / existing[0]} exists already ({len(existing)} of {len(names)} files do): "
            f"choose another --out, or pass --force"
        )


def material_sidecar(material: Material, stem: str) -> Sidecar:
    """Return the content of the sidecar. Dates and durations are here and never in the maps."""
    width, height = next((m.width_px, m.height_px) for m in material.maps.values())
    return {
        "generator": f"texgen {__version__}",
        "recipe": material.recipe,
        **({"watermark": material.watermark} if material.watermark else {}),
        "model_digest": material.model_digest,
        "engine": material.engine,
        "seed": material.seed,
        "size_px": [width, height],
        "controls": material.controls,
        "height_range_tiles": material.height_range_tiles,
        "height_range_m": material.height_range_m,
        "normal_convention": "OpenGL (+Y up)",
        "output_licence": material.output_licence,
        "tileability_seam_percentile": {
            str(k): round(v, 2) for k, v in material.tileability.items()
        },
        "timings_s": {k: round(v, 4) for k, v in material.timings_s.items()},
        "cache_hit": material.cache_hit,
        **(
            {"window_px": list(material.window_px), "endless": material.endless}
            if material.window_px
            else {}
        ),
        **({"understood": asdict(material.prompt_choice)} if material.prompt_choice else {}),
        "files": file_names(material, stem),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def material_contents(
    material: Material, stem: str, preset: str = ""
) -> tuple[dict[str, bytes | memoryview], Sidecar]:
    """Return the contents of the files by name, packed by a preset if one is given, and the
    sidecar.

    Raises InvalidRequestError.
    """
    sidecar = material_sidecar(material, stem)
    if preset:
        return _preset_files(material, stem, sidecar, preset), sidecar
    names = file_names(material, stem)
    return {names[k]: m.data for k, m in material.maps.items()}, sidecar


def _preset_files(
    material: Material, stem: str, sidecar: Sidecar, name: str
) -> dict[str, bytes | memoryview]:
    """Pack the maps and add the preset to the sidecar."""
    preset = load_preset(name)
    text = {"texgen:recipe": material.recipe} if material.recipe else {}
    files = pack(texture_set(material, stem, sidecar), preset, text)
    sidecar |= {"preset": preset.name, "files": sorted(files)}
    if preset.normal == "directx":
        sidecar["normal_convention"] = "DirectX (-Y up)"
    return {**files}


def sealed_contents(
    contents: Mapping[str, bytes | memoryview],
    sidecar: Sidecar,
    stem: str,
    signer: Signer | None = None,
) -> dict[str, bytes | memoryview]:
    """Return the contents of the files, signed if there is a signer, and last their sidecar with
    length and SHA-256 of each.
    """
    signed: dict[str, bytes | memoryview] = {
        **(signer.signed(contents, sidecar) if signer else contents)
    }
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(signed.items())}
    sizes = {name: len(data) for name, data in sorted(signed.items())}
    document = {
        **sidecar,
        **({"signed_by": signer.name} if signer else {}),
        "bytes": sizes,
        "sha256": hashes,
    }
    return {**signed, f"{stem}.json": json_bytes(document)}


def write_material(
    material: Material,
    folder: Path,
    stem: str,
    *,
    force: bool,
    preset: str = "",
    signer: Signer | None = None,
) -> list[Path]:
    """Write maps and sidecar.

    Returns the paths, the sidecar last. Raises OutputError, and InvalidRequestError for a bad
    preset.
    """
    return write_files(
        sealed_contents(*material_contents(material, stem, preset), stem, signer),
        folder,
        force=force,
    )


def write_files(
    contents: Mapping[str, bytes | memoryview], folder: Path, *, force: bool
) -> list[Path]:
    """Write files under temporary names, then rename all. Raises OutputError."""
    check_output(folder, list(contents), force=force)
    temporary: list[tuple[Path, Path]] = []
    try:
        for name, data in contents.items():
            partial = folder / f".{name}.{os.getpid()}.partial"
            temporary.append((partial, folder / name))
            partial.write_bytes(data)
        for partial, path in temporary:
            partial.replace(path)
    except OSError as error:
        raise OutputError(f"cannot write to {folder}: {error.strerror}") from error
    finally:
        for partial, _ in temporary:
            partial.unlink(missing_ok=True)
    return [path for _, path in temporary]


def recipe_text(text_or_sidecar: str) -> str:
    """Return a recipe that is given as text or by the path of a sidecar.

    Raises InvalidRequestError.
    """
    if text_or_sidecar.startswith(("tg1:", "tg1x:")):
        return text_or_sidecar
    path = Path(text_or_sidecar)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return str(document["recipe"])
    except OSError as error:
        raise InvalidRequestError(
            f"{text_or_sidecar!r} is neither a recipe (tg1:...) nor a readable sidecar: "
            f"{error.strerror}",
            "recipe",
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidRequestError(
            f"{path} is not a texgen sidecar: it holds no recipe", "recipe"
        ) from error
