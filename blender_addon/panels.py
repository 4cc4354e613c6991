# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws the panels in the sidebars of the 3D viewport and the shader editor, and progress in the
status bar.
"""

import textwrap

import bpy

from . import catalog, history, jobs, live_preview, preferences, presets, variations, world
from .operators.base import active_material


class _Main:
    bl_label = "TexGen"
    bl_region_type = "UI"
    bl_category = "TexGen"

    def draw(self, context):
        settings, layout, board = context.scene.texgen, self.layout, jobs.board
        layout.use_property_split = True
        layout.use_property_decorate = False
        model = catalog.find(settings.model, "material")
        if len(catalog.models_of_kind("material")) > 1:
            layout.prop(settings, "model")
        layout.prop(settings, "class_name")
        if model is not None and model.reads_prompts:
            layout.prop(settings, "prompt")
        row = layout.row(align=True)
        row.prop(settings, "seed")
        row.operator("texgen.random_seed", text="", icon="FILE_REFRESH")
        row.prop(
            settings, "seed_locked", text="", icon="LOCKED" if settings.seed_locked else "UNLOCKED"
        )
        layout.prop(settings, "size")
        layout.prop(settings, "target")
        _draw_buttons(layout, board)
        if board.message:
            _draw_message(layout, context, board.message, "ERROR" if board.failed else "INFO")
        if model is None:
            layout.operator("texgen.test_connection", icon="URL")


def _draw_buttons(layout, board):
    if board.active:
        _draw_progress(layout, *board.progress)
        return
    row = layout.row(align=True)
    row.scale_y = 1.6
    if live_preview.current is not None:
        row.operator("texgen.apply_live", icon="CHECKMARK")
        row.operator("texgen.cancel", text="", icon="X")
    else:
        row.operator("texgen.generate", icon="MATERIAL")


def _draw_progress(layout, fraction, stage):
    row = layout.row(align=True)
    row.scale_y = 1.6
    row.progress(factor=fraction, text=stage)
    row.operator("texgen.cancel", text="", icon="X")


def _draw_message(layout, context, text, icon):
    """Wrap a message to the panel's width, since a truncated error is of no use."""
    columns = max(20, int(context.region.width / 8) if context.region else 40)
    box = layout.box().column(align=True)
    for i, line in enumerate(textwrap.wrap(text, columns)):
        box.label(text=line, icon=icon if i == 0 else "BLANK1")


class _Part:
    bl_region_type = "UI"
    bl_category = "TexGen"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        self.layout.use_property_split = True
        self.layout.use_property_decorate = False
        self.draw_part(self.layout, context)


class _Sliders(_Part):
    bl_label = "Sliders"
    bl_options = set()

    def draw_part(self, layout, context):
        settings = context.scene.texgen
        model = catalog.find(settings.model, "material")
        if model is None:
            layout.label(text="Connect first", icon="INFO")
            return
        row = layout.row()
        row.prop(settings, "live")
        row.menu("TEXGEN_MT_presets")
        _draw_sliders(layout, context.scene, model)


def _draw_sliders(layout, scene, model):
    group = catalog.sliders(scene, model)
    column = layout.column(align=True)
    for control in model.controls:
        column.prop(group, control.name, slider=True)


class _Surface(_Part):
    bl_label = "Surface and Files"

    def draw_part(self, layout, context):
        for name in ("projection", "relief", "files"):
            layout.prop(context.scene.texgen, name)


class _Variations(_Part):
    bl_label = "Variations"

    def draw_part(self, layout, context):
        settings = context.scene.texgen
        layout.prop(settings, "count")
        layout.prop(settings, "amount", slider=True)
        row = layout.row(heading="Keep", align=True)
        for name in ("lock_layout", "lock_colour", "lock_relief"):
            row.prop(settings, name, toggle=True)
        layout.operator("texgen.vary", icon="MESH_GRID")
        _draw_grid(layout)
        layout.separator()
        layout.prop(settings, "mix_material")
        layout.prop(settings, "mix_mask")
        if settings.mix_mask is None:
            layout.prop(settings, "mix_share", slider=True)
        layout.operator("texgen.mix", icon="NODE_COMPOSITING")
        _draw_painting(layout, context, settings)


def _draw_painting(layout, context, settings):
    """Draw the controls of blending by vertex colours, for objects that have colour attributes."""
    mesh = context.active_object.data if context.active_object is not None else None
    if not hasattr(mesh, "color_attributes"):
        return
    layout.prop_search(settings, "mix_layer", mesh, "color_attributes")
    row = layout.row(align=True)
    row.operator("texgen.paint_over", icon="VPAINT_HLT")
    material = active_material(context)
    if material is not None and material.texgen.blend_material is not None:
        row.operator("texgen.paint_over", text="", icon="X").remove = True


def _draw_grid(layout):
    if not variations.shown:
        return
    columns = 3 if len(variations.shown) == 9 else 2 if len(variations.shown) == 4 else 4
    grid = layout.grid_flow(row_major=True, columns=columns, even_columns=True, align=True)
    for number in range(len(variations.shown)):
        cell = grid.column(align=True)
        cell.template_icon(variations.icon(number), scale=5.0 if columns < 4 else 3.6)
        cell.operator("texgen.take_variation", text=str(number + 1)).number = number


class _History(_Part):
    bl_label = "History"

    def draw_part(self, layout, context):
        material = active_material(context)
        entry = history.current(material)
        row = layout.row(align=True)
        row.operator("texgen.copy_recipe", text="Copy Recipe", icon="COPYDOWN")
        row.operator("texgen.paste_recipe", text="Paste", icon="PASTEDOWN")
        if entry is None:
            return
        known = material.texgen
        column = layout.column(align=True)
        for index, past in enumerate(known.entries):
            row = column.row(align=True)
            row.label(
                text="  " * history.depth(known, index) + past.label,
                icon="RADIOBUT_ON" if index == known.current else "RADIOBUT_OFF",
            )
            if index != known.current:
                row.operator("texgen.go_back", text="", icon="LOOP_BACK").index = index
        row = layout.row(align=True)
        row.operator("texgen.mark_asset", icon="ASSET_MANAGER")
        row.operator("texgen.fill_library", text="Add Variations")


class _Upscale(_Part):
    bl_label = "Upscale"

    def draw_part(self, layout, context):
        row = layout.row(align=True)
        for scale in ("2", "4"):
            row.operator("texgen.upscale", text=f"x{scale}", icon="FULLSCREEN_ENTER").scale = scale


class _Photograph(_Part):
    bl_label = "Photographs"

    def draw_part(self, layout, context):
        settings = context.scene.texgen
        model = catalog.find(settings.model, "material")
        if model is None or model.makes_captures:
            layout.prop(settings, "photo")
            layout.operator("texgen.capture", icon="IMAGE_DATA")
            layout.separator()
        for name in ("repair_tiling", "repair_clean", "repair_fill"):
            layout.prop(settings, name)
        layout.operator("texgen.repair", icon="BRUSH_DATA")


class TEXGEN_MT_presets(bpy.types.Menu):
    bl_idname = "TEXGEN_MT_presets"
    bl_label = "Presets"

    def draw(self, context):
        for name in presets.names():
            self.layout.operator("texgen.load_preset", text=name).name = name
        self.layout.separator()
        self.layout.operator("texgen.save_preset", icon="ADD")


class _Environment(_Part):
    bl_label = "Environment"

    def draw_part(self, layout, context):
        settings = context.scene.texgen
        model = catalog.find(settings.environment_model, "environment")
        if model is None:
            layout.label(text="The server has no environments", icon="INFO")
            return
        for name in ("environment_class", "environment_seed", "environment_size"):
            layout.prop(settings, name)
        _draw_sliders(layout, context.scene, model)
        layout.operator("texgen.environment", icon="WORLD")
        ours = world.mapping_and_background(context.scene.world)
        if ours is not None:
            mapping, background = ours
            layout.prop(mapping.inputs["Rotation"], "default_value", index=2, text="Rotation")
            layout.prop(background.inputs["Strength"], "default_value", text="Strength")


class _Server(_Part):
    bl_label = "Server"

    def draw_part(self, layout, context):
        layout.label(text=preferences.active_profile().address, icon="URL")
        layout.operator("texgen.test_connection", icon="FILE_REFRESH")


PARTS = {
    "main": _Main,
    "sliders": _Sliders,
    "variations": _Variations,
    "history": _History,
    "surface": _Surface,
    "upscale": _Upscale,
    "photograph": _Photograph,
    "environment": _Environment,
    "server": _Server,
}


def _node_editor(cls, context):
    return context.space_data.tree_type == "ShaderNodeTree"


def _panels(space):
    """Create the panels for one kind of editor."""
    made = []
    for name, part in PARTS.items():
        identifier = f"TEXGEN_PT_{space.lower()}_{name}"
        body = {"bl_idname": identifier, "bl_space_type": space}
        if name != "main":
            body["bl_parent_id"] = f"TEXGEN_PT_{space.lower()}_main"
        if space == "NODE_EDITOR":
            body["poll"] = classmethod(_node_editor)
        made.append(type(identifier, (part, bpy.types.Panel), body))
    return made


CLASSES = (TEXGEN_MT_presets, *_panels("VIEW_3D"), *_panels("NODE_EDITOR"))


def _draw_status(self, context):
    if jobs.board.active:
        fraction, stage = jobs.board.progress
        self.layout.label(text=f"TexGen: {stage} {100 * fraction:.0f} %", icon="MATERIAL")


def register():
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    bpy.types.STATUSBAR_HT_header.append(_draw_status)


def unregister():
    bpy.types.STATUSBAR_HT_header.remove(_draw_status)
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
