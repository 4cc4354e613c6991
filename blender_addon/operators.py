# SPDX-License-Identifier: GPL-3.0-or-later
"""The buttons that make materials. Each starts something and returns at once."""

import secrets
from dataclasses import replace

import bpy

from texgen.maps import Encoding, MapKind
from texgen.wire import requests

from . import (
    catalog,
    history,
    images,
    jobs,
    live_preview,
    materials,
    nodes,
    request_options,
    variations,
    vertex_blend,
)
from .operator_base import Acting, Asking, OnTexgenMaterial, active_material


def start(server, ask, target, label):
    """Ask for a material and put it where it belongs when it has come."""
    jobs.board.ask(
        server, ask, lambda assembler: materials.apply_steps(assembler.material(), target, label)
    )


class TEXGEN_OT_generate(Asking, bpy.types.Operator):
    bl_idname = "texgen.generate"
    bl_label = "Generate"
    bl_description = "Generate a material and put it on the target"

    def ask(self, context, server):
        live_preview.stop()
        settings = context.scene.texgen
        if not catalog.models:
            catalog.ask(
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


class TEXGEN_OT_apply_live(Asking, bpy.types.Operator):
    bl_idname = "texgen.apply_live"
    bl_label = "Apply"
    bl_description = "Replace the small preview by maps of the full size"

    @classmethod
    def poll(cls, context):
        return live_preview.current is not None and not jobs.board.active

    def ask(self, context, server):
        name = live_preview.current.material_name
        live_preview.stop()
        mix, options = request_options.generate_options(context.scene)
        settings = context.scene.texgen
        target = in_place(
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


class TEXGEN_OT_vary(OnTexgenMaterial, Asking, bpy.types.Operator):
    bl_idname = "texgen.vary"
    bl_label = "Show Variations"
    bl_description = "Draw small variations of the material; click one to take it"

    recipe: bpy.props.StringProperty(
        name="Recipe", description="What to vary; empty: the active material", options={"SKIP_SAVE"}
    )

    def ask(self, context, server):
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
        jobs.board.ask(
            server, requests.vary(recipe, settings.amount, **options), variations.show_steps(recipe)
        )


class TEXGEN_OT_take_variation(OnTexgenMaterial, Asking, bpy.types.Operator):
    bl_idname = "texgen.take_variation"
    bl_label = "Take"
    bl_description = "Make the material become this variation; Show Variations then goes on from it"

    number: bpy.props.IntProperty(name="Number", min=0, default=0)

    def ask(self, context, server):
        if self.number >= len(variations.shown):
            raise ValueError(f"There is no variation {self.number + 1}: press Show Variations")
        recipe, label = variations.shown[self.number]
        edge = int(context.scene.texgen.size)
        remake(context, server, {"recipe": recipe, "size_px": (edge, edge)}, label)


class TEXGEN_OT_mix(OnTexgenMaterial, Asking, bpy.types.Operator):
    bl_idname = "texgen.mix"
    bl_label = "Mix"
    bl_description = "Mix the material with another one"

    def ask(self, context, server):
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
            in_place(context, settings, f"{material.name}_mix", material), mask=settings.mix_mask
        )
        options, mode = {"size_px": (edge, edge)}, "blend"
        if settings.mix_mask is not None:
            options, mode, label = (
                options | {"mask": images.grey_png(settings.mix_mask)},
                "paint",
                f"{label}, painted",
            )
        start(server, requests.mix(parts, mode, **options), target, label)


class TEXGEN_OT_paint_over(OnTexgenMaterial, Acting, bpy.types.Operator):
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

    def act(self, context):
        settings, obj = context.scene.texgen, context.active_object
        live_preview.stop()
        material = active_material(context)
        if self.remove:
            vertex_blend.paint_over(material, None, "")
            return
        if settings.mix_material is None:
            raise ValueError("Choose a texgen material to blend with")
        vertex_blend.paint_over(
            material, settings.mix_material, vertex_blend.layer_of(obj, settings.mix_layer)
        )
        jobs.board.tell_user(
            f"{settings.mix_material.name} shows where {material.texgen.over_layer} is white"
        )


class TEXGEN_OT_go_back(OnTexgenMaterial, Asking, bpy.types.Operator):
    bl_idname = "texgen.go_back"
    bl_label = "Go Back To"
    bl_description = "Draw an earlier result of this material again"

    index: bpy.props.IntProperty(name="Entry", min=0, default=0)

    def ask(self, context, server):
        entries = active_material(context).texgen.entries
        if self.index >= len(entries):
            raise ValueError(
                f"The material has {len(entries)} results, none of number {self.index + 1}"
            )
        entry = entries[self.index]
        mask = {"mask": images.grey_png(entry.mask)} if entry.mask is not None else {}
        remake(context, server, {"recipe": entry.recipe} | mask, entry.label)


class TEXGEN_OT_copy_recipe(OnTexgenMaterial, Acting, bpy.types.Operator):
    bl_idname = "texgen.copy_recipe"
    bl_label = "Copy Recipe"
    bl_description = "Copy the text that makes this texture again, here or anywhere else"

    def act(self, context):
        context.window_manager.clipboard = history.recipe_of(active_material(context))
        jobs.board.tell_user("The recipe is in the clipboard")


class TEXGEN_OT_paste_recipe(Asking, bpy.types.Operator):
    bl_idname = "texgen.paste_recipe"
    bl_label = "Paste Recipe"
    bl_description = "Make the texture of a recipe in the clipboard"

    recipe: bpy.props.StringProperty(
        name="Recipe", description="Instead of the clipboard's", options={"SKIP_SAVE"}
    )

    def ask(self, context, server):
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


class TEXGEN_OT_upscale(Asking, bpy.types.Operator):
    bl_idname = "texgen.upscale"
    bl_label = "Upscale"
    bl_description = (
        "Enlarge the maps of the active material: texgen's, or the images of a Principled shader"
    )

    scale: bpy.props.EnumProperty(
        name="Scale",
        items=[("2", "x2", "Twice the edge"), ("4", "x4", "Four times the edge")],
        default="2",
    )

    def ask(self, context, server):
        material = active_material(context)
        maps = maps_of(material, "enlarge")
        settings = context.scene.texgen
        recipe, height_m = history.recipe_of(material), nodes.height_m(material)
        stem, label = f"{material.name}_x{self.scale}", f"enlarged x{self.scale}"
        own = nodes.our_textures(material)  # of others' materials nothing is changed
        target = (
            in_place(context, settings, stem, material) if own else aside(context, settings, stem)
        )
        jobs.board.ask(
            server,
            requests.upscale(maps, int(self.scale)),
            lambda assembler: materials.apply_steps(
                materials.kept(assembler.map_set(), recipe, height_m), target, label
            ),
        )


def in_place(context, settings, stem, material):
    """The settings' target, but this very material."""
    return replace(
        materials.target_of(context, settings, stem), mode="ACTIVE", material_name=material.name
    )


def aside(context, settings, stem):
    """The settings' target, but a material of its own."""
    return replace(materials.target_of(context, settings, stem), mode="NEW", material_name="")


def maps_of(material, work):
    """The samples of a material's maps, ours or a Principled shader's.

    Raises ValueError where there are none.
    """
    found = nodes.our_textures(material) or nodes.principled_textures(material)
    if not found:
        raise ValueError(
            f"The active material has no image textures on a Principled shader: there is "
            f"nothing to {work}"
        )
    return nodes.samples(found)


def remake(context, server, options, label):
    """The active material becomes what a recipe says."""
    material = active_material(context)
    start(
        server,
        requests.generate(**options),
        in_place(context, context.scene.texgen, material.name, material),
        label,
    )


CLASSES = (
    TEXGEN_OT_generate,
    TEXGEN_OT_apply_live,
    TEXGEN_OT_cancel,
    TEXGEN_OT_random_seed,
    TEXGEN_OT_vary,
    TEXGEN_OT_take_variation,
    TEXGEN_OT_mix,
    TEXGEN_OT_paint_over,
    TEXGEN_OT_go_back,
    TEXGEN_OT_copy_recipe,
    TEXGEN_OT_paste_recipe,
    TEXGEN_OT_upscale,
)

register, unregister = bpy.utils.register_classes_factory(CLASSES)
