# SPDX-License-Identifier: Apache-2.0
"""``texgen check``: reports what is wrong with texture files, for people and for CI."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TypedDict

from texgen.commands.sets import find_texture_sets, is_colour
from texgen.commands.shared import Commands, add_parser
from texgen.errors import InvalidRequestError
from texgen.export.preset import load_preset, preset_names
from texgen.files.checks import MIN_TILEABILITY, Report, check_picture, check_preset, check_set
from texgen.inputs.conventions import map_of_role
from texgen.inputs.pictures import read_picture_file

EXIT_PROBLEMS = 11


class CheckedSet(TypedDict):
    """The entry of a set in the output of ``--json``."""

    name: str
    problems: list[str]
    files: list[Report]


def add_check(commands: Commands) -> None:
    """Add ``texgen check``."""
    parser = add_parser(
        commands,
        "check",
        "Check texture files: seams, value ranges, normal convention, depth, sizes; exit code "
        "11 if there are problems.",
        "texgen check textures --min-tileability 0.9",
    )
    parser.add_argument(
        "paths",
        type=Path,
        nargs="+",
        metavar="PATH",
        help="folders of texture sets in any common naming, or pictures",
    )
    parser.add_argument(
        "--min-tileability",
        type=float,
        default=MIN_TILEABILITY,
        metavar="X",
        help=f"0 to 1: below it a seam is a problem (default {MIN_TILEABILITY}; 0: none is)",
    )
    parser.add_argument(
        "--preset",
        default="",
        metavar="NAME|TOML",
        help=f"also check that all files of a preset exist with its depth and channels: "
        f"{', '.join(preset_names())}",
    )
    parser.add_argument(
        "--stem",
        default="",
        help="with --preset: the set's name; by default that of the sidecar in the folder",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.set_defaults(run=_check)


def _check(options: argparse.Namespace) -> int:
    if not 0.0 <= options.min_tileability <= 1.0:
        raise InvalidRequestError(
            f"--min-tileability {options.min_tileability}: give 0 to 1", "min_tileability"
        )
    found = [entry for path in options.paths for entry in _check_path(path, options)]
    if options.json:
        sys.stdout.write(json.dumps({"sets": found}, default=_json_value) + "\n")
    else:
        _print(found)
    return (
        EXIT_PROBLEMS
        if any(entry["problems"] or any(f.problems for f in entry["files"]) for entry in found)
        else 0
    )


def _check_path(path: Path, options: argparse.Namespace) -> list[CheckedSet]:
    """Check the sets of a folder, or one picture."""
    if options.preset:
        return _check_presets(path, options)
    found = find_texture_sets(path, best=False)
    entries: list[CheckedSet] = []
    for stem, files in found.sets.items():
        reports = {
            role: check_picture(
                "" if stem == file.stem else _kind(role),
                read_picture_file(file, colour=is_colour(role)),
                options.min_tileability,
            )
            for role, file in files.items()
        }
        entries.append(
            {
                "name": stem,
                "problems": check_set(reports),
                "files": list(reports.values()),
            }
        )
    return entries


def _kind(role: str) -> str:
    """Return the map that a role's checks are for; packings and other roles have none."""
    role = role.partition(":")[0]
    return role if role in ("gloss", "normal_dx") else map_of_role(role)


def _check_presets(path: Path, options: argparse.Namespace) -> list[CheckedSet]:
    """Check every set in a folder against a preset."""
    preset = load_preset(options.preset)
    if not path.is_dir():
        raise InvalidRequestError(f"{path}: --preset checks a folder", "preset")
    stems = (
        [options.stem]
        if options.stem
        else sorted(p.stem for p in path.glob("*.json") if not p.name.startswith("."))
    )
    if not stems:
        raise InvalidRequestError(
            f"{path} holds no sidecar of texgen: name the set with --stem", "stem"
        )
    return [
        {"name": stem, "problems": list(check_preset(stem, path, preset)), "files": []}
        for stem in stems
    ]


def _json_value(value: Report | Path) -> dict[str, str | list[str]] | str:
    """Convert a value that json does not know."""
    return vars(value) if isinstance(value, Report) else str(value)


def _print(found: list[CheckedSet]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("file", "map", "size", "bits", "tiles", "problems", box=None, pad_edge=False)
    for entry in found:
        for file in entry["files"]:
            table.add_row(
                file.path.name,
                file.kind or "?",
                f"{file.size_px[0]}x{file.size_px[1]}",
                str(file.bit_depth),
                f"{file.tileability:.2f}",
                "; ".join(file.problems) or "-",
            )
        for problem in entry["problems"]:
            table.add_row(entry["name"], "set", "", "", "", problem)
        if not entry["files"] and not entry["problems"]:
            table.add_row(entry["name"], "set", "", "", "", "-")
    Console(width=None if sys.stdout.isatty() else 200).print(table)
