# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators that save and load presets."""

import bpy

from .. import catalog, jobs, presets
from .base import TexgenOperator


class TEXGEN_OT_save_preset(TexgenOperator, bpy.types.Operator):
    bl_idname = "texgen.save_preset"
    bl_label = "Save Preset"
    bl_description = "Keep class, seed and sliders under a name"

    name: bpy.props.StringProperty(name="Name", default="My preset")

    def invoke(self, context, event):
        return context.window_manager.invoke_props_dialog(self)

    def run(self, context):
        settings = context.scene.texgen
        model = catalog.find(settings.model, "material")
        values = {"class": settings.class_name, "prompt": settings.prompt, "seed": settings.seed}
        presets.save(
            self.name,
            values
            | {
                "controls": catalog.changed_values(context.scene, model)
                if model is not None
                else {}
            },
        )
        jobs.board.show_message(f"Saved {self.name}")


class TEXGEN_OT_load_preset(TexgenOperator, bpy.types.Operator):
    bl_idname = "texgen.load_preset"
    bl_label = "Load Preset"
    bl_description = "Set class, seed and sliders"

    name: bpy.props.StringProperty(name="Name")

    def run(self, context):
        settings, values = context.scene.texgen, presets.load(self.name)
        settings.class_name, settings.prompt, settings.seed = (
            values["class"],
            values["prompt"],
            values["seed"],
        )
        model = catalog.find(settings.model, "material")
        if model is not None:
            catalog.set_values(context.scene, model, values["controls"])


CLASSES = (
    TEXGEN_OT_save_preset,
    TEXGEN_OT_load_preset,
)
