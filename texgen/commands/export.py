# SPDX-License-Identifier: Apache-2.0
"""``texgen export``: texture sets on disk, anybody's -> files as an engine wants them."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from texgen.commands.sets import add_source, check_place, pieces_of, sets_of, taken
from texgen.commands.shared import add_parser, add_signing, signer_of, tell, write_paths
from texgen.errors import InvalidRequestError
from texgen.export.packing import pack
from texgen.export.preset import Preset, load_preset, preset_names
from texgen.export.texture_set import TextureSet
from texgen.files.material import sealed, write_files
from texgen.files.picture import read_picture
from texgen.maps import MapKind, Pixels

if TYPE_CHECKING:
    from texgen.provenance.signing import Signer


WRITTEN_ANEW = ("batch", "bytes", "sha256", "signed_by")
"""What a sidecar says of files, which are others after an export."""


def add_export(commands: Any) -> None:
    """``texgen export``"""
    parser = add_parser(
        commands.add_parser,
        "Write texture sets as an engine wants them: packed channels, names, normal "
        "convention, material files.",
        "texgen export textures --preset unreal --out packed",
        "export",
    )
    add_source(parser)
    add_signing(parser)
    parser.add_argument(
        "--preset",
        required=True,
        metavar="NAME|TOML",
        help=f"{', '.join(preset_names())}, or a file of your own",
    )
    parser.set_defaults(run=_export)


def _export(options: argparse.Namespace) -> int:
    preset, signer = load_preset(options.preset), signer_of(options)
    contents: dict[str, bytes | memoryview] = {}
    sets = []
    found, _ = sets_of(options.source)
    for stem, files in found.items():
        made = exported(stem, files, preset, signer)
        if clash := sorted(set(made) & set(contents)):
            raise InvalidRequestError(
                f"two sets would write {clash[0]}: take the folders one by one", "source"
            )
        contents |= made
        sets.append({"name": stem, "preset": preset.name, "files": sorted(made)})
    check_place(options, list(contents))
    write_paths(options, write_files(contents, options.out, force=options.force))
    return tell(options, sets)


def exported(
    stem: str, files: dict[str, Path], preset: Preset, signer: Signer | None = None
) -> dict[str, bytes | memoryview]:
    """File name -> content of one set, its sidecar included. Raises InvalidRequestError."""
    maps: dict[MapKind, Pixels] = {}
    for kind, pixels in _read(files):
        maps.setdefault(kind, pixels)
    about = _about(next(iter(files.values())).parent / f"{stem}.json")
    recipe = about.get("recipe", "")
    made = pack(TextureSet(stem, maps, about), preset, {"texgen:recipe": recipe} if recipe else {})
    convention = "DirectX (-Y up)" if preset.normal == "directx" else "OpenGL (+Y up)"
    sidecar = about | {
        "preset": preset.name,
        "normal_convention": convention,
        "files": sorted(made),
    }
    return sealed(made, {k: v for k, v in sidecar.items() if k not in WRITTEN_ANEW}, stem, signer)


def _read(files: dict[str, Path]) -> Iterator[tuple[MapKind, Pixels]]:
    """The maps in a set's files; those of its own files before those packed in others."""
    for kind in sorted(files, key=lambda kind: kind == "arm"):
        for piece in pieces_of(kind, read_picture(files[kind])):
            pixels = taken(piece)
            yield piece.kind, pixels[..., :3] if piece.kind is MapKind.BASECOLOR else pixels


def _about(path: Path) -> dict[str, Any]:
    """The sidecar of texgen, where there is one."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return (
        document
        if isinstance(document, dict) and str(document.get("generator", "")).startswith("texgen")
        else {}
    )
