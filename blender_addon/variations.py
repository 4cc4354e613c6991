# SPDX-License-Identifier: GPL-3.0-or-later
"""A grid of variation thumbnails in the panel; clicking one applies it to the material."""

import bpy
import bpy.utils.previews

from texgen.maps import MapKind

from . import images

THUMBNAIL_PX = 128
_icons = None
shown = []
"""(recipe, label) of each thumbnail."""
parent = ""
"""Recipe of which these are variations."""


def show_steps(recipe):
    """Return a generator function that fills the grid from an assembler, one thumbnail per step."""

    def steps(assembler):
        global parent
        clear()
        parent = recipe
        for number, result in enumerate(assembler.materials()):
            _thumbnail(str(number), result.maps[MapKind.BASECOLOR])
            shown.append((result.recipe, f"variation {number + 1}"))
            yield f"{len(shown)} variations: click one"

    return steps


def icon(number):
    """Return the icon id of a thumbnail."""
    return _icons[str(number)].icon_id


def clear():
    """Remove all thumbnails."""
    shown.clear()
    if _icons is not None:
        _icons.clear()


def _thumbnail(name, packed):
    preview = _icons.new(name)
    preview.image_size = packed.width_px, packed.height_px
    preview.image_pixels_float.foreach_set(images.rgba(packed))


def register():
    global _icons
    _icons = bpy.utils.previews.new()


def unregister():
    global _icons
    clear()
    bpy.utils.previews.remove(_icons)
    _icons = None
