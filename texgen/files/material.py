# SPDX-License-Identifier: Apache-2.0
"""A finished material -> files: maps named by convention, and a sidecar.

Nothing is overwritten unasked, nothing is left half written.
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
from typing import TYPE_CHECKING, Any

from texgen._version import __version__
from texgen.errors import InvalidRequestError, OutputError
from texgen.files.images import EXTENSIONS
from texgen.maps import MAP_SPECS, Material

if TYPE_CHECKING:
    from texgen.provenance.signing import Signer


def file_names(material: Material, stem: str) -> dict[str, str]:
    """Map kind -> file name."""
    return {
        kind: f"{stem}{MAP_SPECS[kind].suffix}.{EXTENSIONS[packed.encoding]}"
        for kind, packed in material.maps.items()
    }


def check_output(folder: Path, names: list[str], *, force: bool) -> None:
    """Before any work: can these files be written? Raises OutputError naming what is in the way."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OutputError(
            f"cannot write to {folder}: {error.strerror}; choose another folder with --out"
        ) from error
    there = [n for n in names if (folder / n).exists()]
    if there and not force:
        raise OutputError(
            f"{folder / there[0]} exists already ({len(there)} of {len(names)} files do): "
            f"choose another --out, or pass --force"
        )


def sidecar(material: Material, stem: str) -> dict[str, Any]:
    """The sidecar's content: everything that dates or times a result lives here, never in
    the maps.
    """
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
) -> tuple[dict[str, bytes | memoryview], dict[str, Any]]:
    """File name -> content of all maps, or of what a preset makes of them; and the sidecar's
    content. Raises InvalidRequestError.
    """
    about = sidecar(material, stem)
    if preset:
        return _preset_files(material, stem, about, preset), about
    names = file_names(material, stem)
    return {names[k]: m.data for k, m in material.maps.items()}, about


def _preset_files(
    material: Material, stem: str, about: dict[str, Any], name: str
) -> dict[str, bytes | memoryview]:
    from texgen.export.packing import pack
    from texgen.export.preset import load_preset
    from texgen.export.texture_set import texture_set

    preset = load_preset(name)
    made = pack(
        texture_set(material, stem, about),
        preset,
        {"texgen:recipe": material.recipe} if material.recipe else {},
    )
    about |= {"preset": preset.name, "files": sorted(made)}
    about["normal_convention"] = (
        "DirectX (-Y up)" if preset.normal == "directx" else about["normal_convention"]
    )
    return {**made}


def sealed(
    contents: Mapping[str, bytes | memoryview],
    about: Mapping[str, Any],
    stem: str,
    signer: Signer | None = None,
) -> dict[str, bytes | memoryview]:
    """The files, signed if there is a signer, and last their sidecar, which tells length and
    SHA-256 of each.
    """
    signed: dict[str, bytes | memoryview] = {
        **(signer.signed(contents, about) if signer else contents)
    }
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(signed.items())}
    sizes = {name: len(data) for name, data in sorted(signed.items())}
    document = {
        **about,
        **({"signed_by": signer.name} if signer else {}),
        "bytes": sizes,
        "sha256": hashes,
    }
    return {**signed, f"{stem}.json": json_bytes(document)}


def json_bytes(document: Any) -> bytes:
    """As our files have it."""
    return (json.dumps(document, indent=2) + "\n").encode()


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
        sealed(*material_contents(material, stem, preset), stem, signer), folder, force=force
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
    """A recipe as text, or out of a sidecar's path. Raises InvalidRequestError."""
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
