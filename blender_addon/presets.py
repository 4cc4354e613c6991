# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings under a name, as small files in the extension's own folder."""

import json
import re
from pathlib import Path

import bpy

FOLDER = "presets"
SHAPE = {"class": str, "prompt": str, "seed": int, "controls": dict}


def names():
    """Those there are, sorted."""
    return sorted(path.stem for path in _folder().glob("*.json"))


def save(name, values):
    """Keep them. Raises ValueError for a name that no file can have, OSError."""
    path = _path(name)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(values, indent=1), encoding="utf-8")
    partial.replace(path)


def load(name):
    """What was saved. Raises ValueError where it is none of ours, OSError."""
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
