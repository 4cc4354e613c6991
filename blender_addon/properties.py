# SPDX-License-Identifier: GPL-3.0-or-later
"""What the artist chooses, kept with the scene."""

import bpy

from . import jobs

SIZES = [(str(n), f"{n} px", f"{n} x {n} pixels") for n in (256, 512, 1024, 2048, 4096)]


def class_names(self, context, edit_text):
    """Names that the server offers, for the search field."""
    wanted = edit_text.lower()
    return [name for name in jobs.board.class_names if wanted in name]


class TexGenSettings(bpy.types.PropertyGroup):
    class_name: bpy.props.StringProperty(
        name="Class", description="Kind of material, such as bark; or a mix, such as brick=0.7,rock=0.3", default="bark", search=class_names
    )
    seed: bpy.props.IntProperty(name="Seed", description="The same seed gives the same texture", default=1, min=0)
    size: bpy.props.EnumProperty(name="Size", description="Edge of the texture", items=SIZES, default="1024")


def register():
    bpy.utils.register_class(TexGenSettings)
    bpy.types.Scene.texgen = bpy.props.PointerProperty(type=TexGenSettings)


def unregister():
    del bpy.types.Scene.texgen
    bpy.utils.unregister_class(TexGenSettings)
