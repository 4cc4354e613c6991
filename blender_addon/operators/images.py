# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators that take pictures as input: capture a photograph, repair or enlarge maps."""

from pathlib import Path

import bpy

from texgen.maps import FILLABLE
from texgen.wire import requests

from .. import history, images, jobs, materials, nodes
from .base import ServerOperator, active_material
from .results import active_material_target, maps_of, new_material_target, start


class TEXGEN_OT_capture(ServerOperator, bpy.types.Operator):
    bl_idname = "texgen.capture"
    bl_label = "Capture"
    bl_description = "Make a material that looks like a photograph, flat and evenly lit"

    filepath: bpy.props.StringProperty(
        name="File",
        description="A photograph on disk; empty: the chosen image",
        subtype="FILE_PATH",
        options={"SKIP_SAVE"},
    )

    def request(self, context, server):
        settings = context.scene.texgen
        photo, name = self._photo(settings)
        edge = int(settings.size)
        stem = f"{name}_{settings.seed}"
        call = requests.capture(photo, seed=settings.seed, size_px=(edge, edge))
        start(server, call, materials.target_of(context, settings, stem), f"captured from {name}")

    def _photo(self, settings):
        """Return (file contents, name) of the photograph. Raises ValueError."""
        if self.filepath:
            path = Path(bpy.path.abspath(self.filepath))
            if not path.is_file():
                raise ValueError(f"There is no photograph {path}")
            return path.read_bytes(), path.stem
        if settings.photo is None:
            raise ValueError("Choose an image to capture, or give a file")
        return images.file_of(settings.photo), Path(settings.photo.name).stem


class TEXGEN_OT_repair(ServerOperator, bpy.types.Operator):
    bl_idname = "texgen.repair"
    bl_label = "Repair"
    bl_description = (
        "Make the maps of the active material tile, take JPEG blocks and noise "
        "away, fill what is missing"
    )

    def request(self, context, server):
        material, settings = active_material(context), context.scene.texgen
        maps = maps_of(material, "repair")
        fill = [k for k in FILLABLE if k not in maps] if settings.repair_fill else []
        options = {
            "tiling": settings.repair_tiling.lower(),
            "clean": settings.repair_clean,
            "fill": fill,
        }
        target = new_material_target(context, settings, f"{material.name}_repaired")
        jobs.board.start_texture_call(
            server,
            requests.repair(maps, **options),
            lambda assembler: materials.apply_steps(
                materials.with_origin(assembler.map_set(), "", 0.0), target, "repaired"
            ),
        )


class TEXGEN_OT_upscale(ServerOperator, bpy.types.Operator):
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

    def request(self, context, server):
        material = active_material(context)
        maps = maps_of(material, "enlarge")
        settings = context.scene.texgen
        recipe, height_m = history.recipe_of(material), nodes.height_m(material)
        stem, label = f"{material.name}_x{self.scale}", f"enlarged x{self.scale}"
        own = nodes.texgen_textures(material)  # of others' materials nothing is changed
        target = (
            active_material_target(context, settings, stem, material)
            if own
            else new_material_target(context, settings, stem)
        )
        jobs.board.start_texture_call(
            server,
            requests.upscale(maps, int(self.scale)),
            lambda assembler: materials.apply_steps(
                materials.with_origin(assembler.map_set(), recipe, height_m), target, label
            ),
        )


CLASSES = (
    TEXGEN_OT_capture,
    TEXGEN_OT_repair,
    TEXGEN_OT_upscale,
)
