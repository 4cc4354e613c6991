# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators that mix two materials: on the server by recipe, in shader nodes by vertex colour."""

from dataclasses import replace

import bpy

from texgen.wire import requests

from .. import history, images, jobs, live_preview, vertex_blend
from .base import OnTexgenMaterial, ServerOperator, TexgenOperator, active_material
from .results import active_material_target, start


class TEXGEN_OT_mix(OnTexgenMaterial, ServerOperator, bpy.types.Operator):
    bl_idname = "texgen.mix"
    bl_label = "Mix"
    bl_description = "Mix the material with another one"

    def request(self, context, server):
        settings = context.scene.texgen
        other = history.recipe_of(settings.mix_material)
        if not other:
            raise ValueError("Choose a texgen material to mix with")
        material = active_material(context)
        edge = int(settings.size)
        parts = [
            (history.recipe_of(material), 1.0 - settings.mix_share),
            (other, settings.mix_share),
        ]
        label = f"mixed with {settings.mix_material.name}"
        target = replace(
            active_material_target(context, settings, f"{material.name}_mix", material),
            mask=settings.mix_mask,
        )
        options, mode = {"size_px": (edge, edge)}, "blend"
        if settings.mix_mask is not None:
            options, mode, label = (
                options | {"mask": images.grey_png(settings.mix_mask)},
                "paint",
                f"{label}, painted",
            )
        start(server, requests.mix(parts, mode, **options), target, label)


class TEXGEN_OT_paint_over(OnTexgenMaterial, TexgenOperator, bpy.types.Operator):
    bl_idname = "texgen.paint_over"
    bl_label = "Blend by Vertex Colours"
    bl_description = (
        "Show the other material where a colour layer of the mesh is white: paint "
        "it in Vertex Paint mode"
    )
    bl_options = {"REGISTER", "UNDO"}

    remove: bpy.props.BoolProperty(
        name="Remove", description="Show this material alone again", options={"SKIP_SAVE"}
    )

    def run(self, context):
        settings, obj = context.scene.texgen, context.active_object
        live_preview.stop()
        material = active_material(context)
        if self.remove:
            vertex_blend.set_blend(material, None, "")
            return
        if settings.mix_material is None:
            raise ValueError("Choose a texgen material to blend with")
        vertex_blend.set_blend(
            material, settings.mix_material, vertex_blend.color_layer_of(obj, settings.mix_layer)
        )
        jobs.board.show_message(
            f"{settings.mix_material.name} shows where {material.texgen.blend_layer} is white"
        )


CLASSES = (
    TEXGEN_OT_mix,
    TEXGEN_OT_paint_over,
)
