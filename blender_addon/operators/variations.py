# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators that show variations, apply one, and fill the asset library with them."""

import secrets
from dataclasses import replace

import bpy

from texgen.maps import Encoding, MapKind
from texgen.wire import requests

from .. import assets, history, jobs, materials, variations
from .base import OnTexgenMaterial, ServerOperator, active_material
from .results import new_material_target, regenerate


class TEXGEN_OT_vary(OnTexgenMaterial, ServerOperator, bpy.types.Operator):
    bl_idname = "texgen.vary"
    bl_label = "Show Variations"
    bl_description = "Draw small variations of the material; click one to take it"

    recipe: bpy.props.StringProperty(
        name="Recipe", description="What to vary; empty: the active material", options={"SKIP_SAVE"}
    )

    def request(self, context, server):
        settings = context.scene.texgen
        recipe = self.recipe or history.recipe_of(active_material(context))
        edge = variations.THUMBNAIL_PX
        options = {
            "count": int(settings.count),
            "locks": settings.locks(),
            "seed": secrets.randbelow(2**31 - 1),
            "size_px": (edge, edge),
            "maps": [MapKind.BASECOLOR],
            "encoding": Encoding.RAW,
        }
        jobs.board.start_texture_call(
            server, requests.vary(recipe, settings.amount, **options), variations.show_steps(recipe)
        )


class TEXGEN_OT_take_variation(OnTexgenMaterial, ServerOperator, bpy.types.Operator):
    bl_idname = "texgen.take_variation"
    bl_label = "Take"
    bl_description = "Make the material become this variation; Show Variations then goes on from it"

    number: bpy.props.IntProperty(name="Number", min=0, default=0)

    def request(self, context, server):
        if self.number >= len(variations.shown):
            raise ValueError(f"There is no variation {self.number + 1}: press Show Variations")
        recipe, label = variations.shown[self.number]
        edge = int(context.scene.texgen.size)
        regenerate(context, server, {"recipe": recipe, "size_px": (edge, edge)}, label)


class TEXGEN_OT_fill_library(OnTexgenMaterial, ServerOperator, bpy.types.Operator):
    bl_idname = "texgen.fill_library"
    bl_label = "Variations to Library"
    bl_description = "Make variations of the material at full size, and mark each as an asset"

    count: bpy.props.IntProperty(name="Count", description="How many", default=20, min=1, max=64)

    def request(self, context, server):
        settings, material = context.scene.texgen, active_material(context)
        edge = int(settings.size)
        options = {
            "count": self.count,
            "locks": settings.locks(),
            "seed": secrets.randbelow(2**31 - 1),
            "size_px": (edge, edge),
            "batch": True,
        }
        call = requests.vary(history.recipe_of(material), settings.amount, **options)
        target = replace(new_material_target(context, settings, material.name), object_names=())
        jobs.board.start_texture_call(
            server, call, lambda assembler: _asset_steps(assembler.materials(), target)
        )


def _asset_steps(results, target):
    """Apply each result to a new material and mark it as an asset.

    After a cancel the finished ones stay.
    """
    for number, result in enumerate(results, 1):
        own = replace(target, stem=f"{target.stem}_{number:02d}")
        before = set(bpy.data.materials)
        yield from materials.apply_steps(result, own, f"variation {number}")
        for made in set(bpy.data.materials) - before:
            assets.mark(made)
        yield f"{number} of {len(results)} variations are in the library"


CLASSES = (
    TEXGEN_OT_vary,
    TEXGEN_OT_take_variation,
    TEXGEN_OT_fill_library,
)
