# SPDX-License-Identifier: GPL-3.0-or-later
"""A grid of small variations in the panel: click one, and the material becomes it; go on from
there.
"""

import bpy
import bpy.utils.previews

from texgen.maps import MapKind

from . import images

THUMBNAIL_PX = 128
_icons = None
shown = []
"""(recipe, label) of each thumbnail."""
parent = ""
"""Recipe that they vary."""


def show_steps(recipe):
    """A generator function that takes what the server drew and fills the grid, one thumbnail a
    step.
    """

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
    """Its icon's id."""
    return _icons[str(number)].icon_id


def clear():
    """An empty grid."""
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
