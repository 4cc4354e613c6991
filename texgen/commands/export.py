# SPDX-License-Identifier: Apache-2.0
"""``texgen export``: packs texture sets on disk into the files that an engine expects."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

from texgen.commands.sets import (
    FileSet,
    add_source,
    check_destination,
    find_texture_sets,
    is_colour,
    map_pixels,
    print_report,
    split_file,
)
from texgen.commands.shared import (
    Commands,
    add_parser,
    add_signing,
    load_signer,
    print_paths,
    print_sets,
)
from texgen.errors import InvalidRequestError
from texgen.export.packing import pack
from texgen.export.preset import Preset, load_preset, preset_names
from texgen.export.texture_set import TextureSet
from texgen.files.document import Sidecar
from texgen.files.material import sealed_contents, write_files
from texgen.inputs.conventions import conventions
from texgen.inputs.pictures import read_picture_file
from texgen.maps import MapKind, Pixels
from texgen.provenance.signing import Signer

FILE_KEYS = ("batch", "bytes", "sha256", "signed_by")
"""Keys of a sidecar that describe its files; an export writes other files."""


def add_export(commands: Commands) -> None:
    """Add ``texgen export``."""
    parser = add_parser(
        commands,
        "export",
        "Pack texture sets for an engine: packed channels, names, normal "
        "convention, material files.",
        "texgen export textures --preset unreal --out packed",
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
    preset, signer = load_preset(options.preset), load_signer(options)
    contents: dict[str, bytes | memoryview] = {}
    sets = []
    found = find_texture_sets(options.source)
    print_report(found)
    for stem, files in found.sets.items():
        packed = export_set(stem, files, preset, signer)
        if clash := sorted(set(packed) & set(contents)):
            raise InvalidRequestError(
                f"two sets would write {clash[0]}: take the folders one by one", "source"
            )
        contents |= packed
        sets.append({"name": stem, "preset": preset.name, "files": sorted(packed)})
    check_destination(options, list(contents))
    print_paths(options, write_files(contents, options.out, force=options.force))
    return print_sets(options, sets)


def export_set(
    stem: str, files: FileSet, preset: Preset, signer: Signer | None = None
) -> dict[str, bytes | memoryview]:
    """Return the content of each file of one set, its sidecar included.

    Raises InvalidRequestError.
    """
    maps: dict[MapKind, Pixels] = {}
    for kind, pixels in _read_maps(files):
        maps.setdefault(kind, pixels)
    about = _read_sidecar(next(iter(files.values())).parent / f"{stem}.json")
    recipe = about.get("recipe", "")
    packed = pack(
        TextureSet(stem, maps, about), preset, {"texgen:recipe": recipe} if recipe else {}
    )
    convention = "DirectX (-Y up)" if preset.normal == "directx" else "OpenGL (+Y up)"
    sidecar = about | {
        "preset": preset.name,
        "normal_convention": convention,
        "files": sorted(packed),
    }
    sidecar = {key: value for key, value in sidecar.items() if key not in FILE_KEYS}
    return sealed_contents(packed, sidecar, stem, signer)


def _read_maps(files: FileSet) -> Iterator[tuple[MapKind, Pixels]]:
    """Yield the maps of a set, those in files of their own before packed ones."""
    for role in sorted(files, key=lambda role: role in conventions().packings):
        for source in split_file(role, read_picture_file(files[role], colour=is_colour(role))):
            pixels = map_pixels(source)
            yield source.kind, pixels[..., :3] if source.kind is MapKind.BASECOLOR else pixels


def _read_sidecar(path: Path) -> Sidecar:
    """Read a sidecar of texgen; empty where there is none."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return (
        document
        if isinstance(document, dict) and str(document.get("generator", "")).startswith("texgen")
        else {}
    )
