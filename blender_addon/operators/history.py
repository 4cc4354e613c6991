# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators on the recipes of a material: go back to one, copy it, paste one."""

import bpy

from texgen.wire import requests

from .. import history, images, jobs, materials
from .base import OnTexgenMaterial, ServerOperator, TexgenOperator, active_material
from .results import regenerate, start


class TEXGEN_OT_go_back(OnTexgenMaterial, ServerOperator, bpy.types.Operator):
    bl_idname = "texgen.go_back"
    bl_label = "Go Back To"
    bl_description = "Draw an earlier result of this material again"

    index: bpy.props.IntProperty(name="Entry", min=0, default=0)

    def request(self, context, server):
        entries = active_material(context).texgen.entries
        if self.index >= len(entries):
            raise ValueError(
                f"The material has {len(entries)} results, none of number {self.index + 1}"
            )
        entry = entries[self.index]
        mask = {"mask": images.grey_png(entry.mask)} if entry.mask is not None else {}
        regenerate(context, server, {"recipe": entry.recipe} | mask, entry.label)


class TEXGEN_OT_copy_recipe(OnTexgenMaterial, TexgenOperator, bpy.types.Operator):
    bl_idname = "texgen.copy_recipe"
    bl_label = "Copy Recipe"
    bl_description = "Copy the text that makes this texture again, here or anywhere else"

    def run(self, context):
        context.window_manager.clipboard = history.recipe_of(active_material(context))
        jobs.board.show_message("The recipe is in the clipboard")


class TEXGEN_OT_paste_recipe(ServerOperator, bpy.types.Operator):
    bl_idname = "texgen.paste_recipe"
    bl_label = "Paste Recipe"
    bl_description = "Make the texture of a recipe in the clipboard"

    recipe: bpy.props.StringProperty(
        name="Recipe", description="Instead of the clipboard's", options={"SKIP_SAVE"}
    )

    def request(self, context, server):
        recipe = (self.recipe or context.window_manager.clipboard).strip()
        if not recipe.startswith(("tg1:", "tg1x:")):
            raise ValueError("There is no recipe in the clipboard: it begins with tg1: or tg1x:")
        settings = context.scene.texgen
        target = materials.target_of(context, settings, "texgen")
        start(
            server,
            requests.generate(recipe=recipe, size_px=(int(settings.size),) * 2),
            target,
            "pasted",
        )


CLASSES = (
    TEXGEN_OT_go_back,
    TEXGEN_OT_copy_recipe,
    TEXGEN_OT_paste_recipe,
)
