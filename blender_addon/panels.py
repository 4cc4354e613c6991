# SPDX-License-Identifier: GPL-3.0-or-later
"""The panel, in the sidebars of the 3D viewport and the shader editor."""

import bpy

from . import jobs


class _Panel:
    bl_label = "TexGen"
    bl_region_type = "UI"
    bl_category = "TexGen"

    def draw(self, context):
        settings, layout, board = context.scene.texgen, self.layout, jobs.board
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(settings, "class_name")
        row = layout.row(align=True)
        row.prop(settings, "seed")
        row.operator("texgen.random_seed", text="", icon="FILE_REFRESH")
        layout.prop(settings, "size")
        if board.active:
            _draw_progress(layout, *board.progress)
        else:
            row = layout.row()
            row.scale_y = 1.6
            row.operator("texgen.generate", icon="MATERIAL")
        if board.message:
            _draw_message(layout, context, board.message, "ERROR" if board.failed else "INFO")
        layout.operator("texgen.test_connection", icon="URL")


def _draw_progress(layout, fraction, stage):
    row = layout.row(align=True)
    row.scale_y = 1.6
    row.progress(factor=fraction, text=stage)
    row.operator("texgen.cancel", text="", icon="X")


def _draw_message(layout, context, text, icon):
    """Wrap a message to the panel's width: an error that is cut off cannot be acted on."""
    import textwrap

    columns = max(20, int(context.region.width / 8) if context.region else 40)
    box = layout.box().column(align=True)
    for i, line in enumerate(textwrap.wrap(text, columns)):
        box.label(text=line, icon=icon if i == 0 else "BLANK1")


class TEXGEN_PT_view3d(_Panel, bpy.types.Panel):
    bl_idname = "TEXGEN_PT_view3d"
    bl_space_type = "VIEW_3D"


class TEXGEN_PT_node(_Panel, bpy.types.Panel):
    bl_idname = "TEXGEN_PT_node"
    bl_space_type = "NODE_EDITOR"

    @classmethod
    def poll(cls, context):
        return context.space_data.tree_type == "ShaderNodeTree"


classes = (TEXGEN_PT_view3d, TEXGEN_PT_node)


def register():
    for cls in classes:
        bpy.utils.register_class(cls)


def unregister():
    for cls in reversed(classes):
        bpy.utils.unregister_class(cls)
