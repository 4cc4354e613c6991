# SPDX-License-Identifier: GPL-3.0-or-later
"""The buttons that begin with pictures of others: capture, repair; and those that make many:
presets, a library of variations.
"""

import secrets
from dataclasses import replace
from pathlib import Path

import bpy

from texgen.maps import FILLABLE
from texgen.wire import requests

from . import assets, catalog, history, images, jobs, materials, presets
from .operator_base import Acting, Asking, OnTexgenMaterial, active_material
from .operators import aside, maps_of, start


class TEXGEN_OT_capture(Asking, bpy.types.Operator):
    bl_idname = "texgen.capture"
    bl_label = "Capture"
    bl_description = "Make a material that looks like a photograph, flat and evenly lit"

    filepath: bpy.props.StringProperty(
        name="File",
        description="A photograph on disk; empty: the chosen image",
        subtype="FILE_PATH",
        options={"SKIP_SAVE"},
    )

    def ask(self, context, server):
        settings = context.scene.texgen
        photo, name = self._photo(settings)
        edge = int(settings.size)
        stem = f"{name}_{settings.seed}"
        ask = requests.capture(photo, seed=settings.seed, size_px=(edge, edge))
        start(server, ask, materials.target_of(context, settings, stem), f"captured from {name}")

    def _photo(self, settings):
        """(file in memory, name)."""
        if self.filepath:
            path = Path(bpy.path.abspath(self.filepath))
            if not path.is_file():
                raise ValueError(f"There is no photograph {path}")
            return path.read_bytes(), path.stem
        if settings.photo is None:
            raise ValueError("Choose an image to capture, or give a file")
        return images.file_of(settings.photo), Path(settings.photo.name).stem


class TEXGEN_OT_repair(Asking, bpy.types.Operator):
    bl_idname = "texgen.repair"
    bl_label = "Repair"
    bl_description = (
        "Make the maps of the active material tile, take JPEG blocks and noise "
        "away, fill what is missing"
    )

    def ask(self, context, server):
        material, settings = active_material(context), context.scene.texgen
        maps = maps_of(material, "repair")
        fill = [k for k in FILLABLE if k not in maps] if settings.repair_fill else []
        options = {
            "tiling": settings.repair_tiling.lower(),
            "clean": settings.repair_clean,
            "fill": fill,
        }
        target = aside(context, settings, f"{material.name}_repaired")
        jobs.board.ask(
            server,
            requests.repair(maps, **options),
            lambda assembler: materials.apply_steps(
                materials.kept(assembler.map_set(), "", 0.0), target, "repaired"
            ),
        )


class TEXGEN_OT_fill_library(OnTexgenMaterial, Asking, bpy.types.Operator):
    bl_idname = "texgen.fill_library"
    bl_label = "Variations to Library"
    bl_description = "Make variations of the material at full size, and mark each as an asset"

    count: bpy.props.IntProperty(name="Count", description="How many", default=20, min=1, max=64)

    def ask(self, context, server):
        settings, material = context.scene.texgen, active_material(context)
        edge = int(settings.size)
        options = {
            "count": self.count,
            "locks": settings.locks(),
            "seed": secrets.randbelow(2**31 - 1),
            "size_px": (edge, edge),
            "batch": True,
        }
        ask = requests.vary(history.recipe_of(material), settings.amount, **options)
        target = replace(aside(context, settings, material.name), object_names=())
        jobs.board.ask(server, ask, lambda assembler: _asset_steps(assembler.materials(), target))


def _asset_steps(results, target):
    """Each result a material of its own, and an asset.

    Those that are there when it is cancelled stay.
    """
    for number, result in enumerate(results, 1):
        own = replace(target, stem=f"{target.stem}_{number:02d}")
        before = set(bpy.data.materials)
        yield from materials.apply_steps(result, own, f"variation {number}")
        for made in set(bpy.data.materials) - before:
            assets.mark(made)
        yield f"{number} of {len(results)} variations are in the library"


class TEXGEN_OT_save_preset(Acting, bpy.types.Operator):
    bl_idname = "texgen.save_preset"
    bl_label = "Save Preset"
    bl_description = "Keep class, seed and sliders under a name"

    name: bpy.props.StringProperty(name="Name", default="My preset")

    def invoke(self, context, event):
        return context.window_manager.invoke_props_dialog(self)

    def act(self, context):
        settings = context.scene.texgen
        model = catalog.find(settings.model, "material")
        values = {"class": settings.class_name, "prompt": settings.prompt, "seed": settings.seed}
        presets.save(
            self.name,
            values
            | {"controls": catalog.values(context.scene, model) if model is not None else {}},
        )
        jobs.board.tell_user(f"Saved {self.name}")


class TEXGEN_OT_load_preset(Acting, bpy.types.Operator):
    bl_idname = "texgen.load_preset"
    bl_label = "Load Preset"
    bl_description = "Set class, seed and sliders"

    name: bpy.props.StringProperty(name="Name")

    def act(self, context):
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
    TEXGEN_OT_capture,
    TEXGEN_OT_repair,
    TEXGEN_OT_fill_library,
    TEXGEN_OT_save_preset,
    TEXGEN_OT_load_preset,
)

register, unregister = bpy.utils.register_classes_factory(CLASSES)
