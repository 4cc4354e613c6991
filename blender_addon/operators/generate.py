# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators that generate a material, apply or cancel it, and choose a seed."""

import secrets

import bpy

from texgen.wire import requests

from .. import catalog, jobs, live_preview, materials, request_options
from .base import ServerOperator
from .results import active_material_target, start


class TEXGEN_OT_generate(ServerOperator, bpy.types.Operator):
    bl_idname = "texgen.generate"
    bl_label = "Generate"
    bl_description = "Generate a material and put it on the target"

    def request(self, context, server):
        live_preview.stop()
        settings = context.scene.texgen
        if not catalog.models:
            catalog.request_models(
                jobs.board, server
            )  # for the sliders; this first time all are at their defaults
        if not settings.seed_locked:
            settings.seed = secrets.randbelow(2**31 - 1)
        mix, options = request_options.generate_options(context.scene)
        stem = request_options.stem_of(mix, settings)
        start(
            server,
            requests.generate(mix, **options),
            materials.target_of(context, settings, stem),
            stem,
        )


class TEXGEN_OT_apply_live(ServerOperator, bpy.types.Operator):
    bl_idname = "texgen.apply_live"
    bl_label = "Apply"
    bl_description = "Replace the small preview by maps of the full size"

    @classmethod
    def poll(cls, context):
        return live_preview.current is not None and not jobs.board.active

    def request(self, context, server):
        name = live_preview.current.material_name
        live_preview.stop()
        mix, options = request_options.generate_options(context.scene)
        settings = context.scene.texgen
        target = active_material_target(
            context, settings, request_options.stem_of(mix, settings), bpy.data.materials[name]
        )
        start(server, requests.generate(mix, **options), target, target.stem)


class TEXGEN_OT_cancel(bpy.types.Operator):
    bl_idname = "texgen.cancel"
    bl_label = "Cancel"
    bl_description = "Cancel; the server stops its work too"

    @classmethod
    def poll(cls, context):
        return jobs.board.active or live_preview.current is not None

    def execute(self, context):
        live_preview.stop()
        jobs.board.cancel()
        return {"FINISHED"}


class TEXGEN_OT_random_seed(bpy.types.Operator):
    bl_idname = "texgen.random_seed"
    bl_label = "Random Seed"
    bl_description = "Choose another seed"

    def execute(self, context):
        context.scene.texgen.seed = secrets.randbelow(2**31 - 1)
        return {"FINISHED"}


CLASSES = (
    TEXGEN_OT_generate,
    TEXGEN_OT_apply_live,
    TEXGEN_OT_cancel,
    TEXGEN_OT_random_seed,
)
