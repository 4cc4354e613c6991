# SPDX-License-Identifier: GPL-3.0-or-later
"""Saves settings under a name, as small files in the extension's own folder."""

import json
import re
from pathlib import Path

import bpy

FOLDER = "presets"
SHAPE = {"class": str, "prompt": str, "seed": int, "controls": dict}


def names():
    """Return the names of all presets, sorted."""
    return sorted(path.stem for path in _folder().glob("*.json"))


def save(name, values):
    """Save a preset. Raises ValueError for a name that cannot be a file name, OSError."""
    path = _path(name)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(values, indent=1), encoding="utf-8")
    partial.replace(path)


def load(name):
    """Load a preset. Raises ValueError if the file is not a texgen preset, OSError."""
    values = json.loads(_path(name).read_text(encoding="utf-8"))
    if not isinstance(values, dict) or not all(
        isinstance(values.get(k), kind) for k, kind in SHAPE.items()
    ):
        raise ValueError(f"{name} is not a preset of texgen: save it anew")
    return values


def _path(name):
    if not re.fullmatch(r"[\w][\w .-]{0,63}", name):
        raise ValueError(
            f"Preset name {name!r}: use letters, digits, spaces, points and dashes, at most 64"
        )
    return _folder() / f"{name}.json"


def _folder():
    return Path(bpy.utils.extension_path_user(__package__, path=FOLDER, create=True))
