# SPDX-License-Identifier: GPL-3.0-or-later
"""The artist's settings, stored with the scene. The sliders of a model are in `catalog`."""

import bpy

from . import catalog, materials

SIZES = [(str(n), f"{n} px", f"{n} x {n} pixels") for n in (256, 512, 1024, 2048, 4096)]
PANORAMAS = [(str(n), f"{n} px", f"{n} x {n // 2} pixels") for n in (1024, 2048, 4096, 8192)]
PROJECTIONS = (
    ("AUTO", "Automatic", "UVs where every object has them, else box"),
    ("UV", "UV", "The active UV layer"),
    (
        "BOX",
        "Box",
        "From all sides, by the object's own coordinates and the real size of a tile; needs no UVs",
    ),
)
RELIEFS = (
    (
        "BOTH",
        "Normal + Displacement",
        "Normal map, and the height as displacement for meshes that are subdivided",
    ),
    ("NORMAL", "Normal", "Normal map only"),
    (
        "DISPLACED",
        "Displacement + Bump",
        "The height alone: displaced vertices, bump for what is finer",
    ),
)
FILES = (
    ("PACKED", "Packed", "Maps inside the .blend"),
    (
        "BESIDE",
        "Beside",
        "Maps as files in a folder 'textures' beside the .blend; packed while that is not saved",
    ),
)
TILINGS = (
    ("AUTO", "Where a seam shows", "Close a seam where one is found"),
    ("ALWAYS", "Always", "Close the seam whatever it looks like"),
    ("NEVER", "Never", "Leave the edges as they are"),
)
_listed = {}


def _models(kind):
    def items(self, context):
        """Return the items, and hold references to their strings, as Blender does not."""
        found = [
            (m.id, m.title or m.id, f"{m.id} {m.version}") for m in catalog.models_of_kind(kind)
        ]
        _listed[kind] = found or [("", "Unknown", "Press Connect: the server tells what it has")]
        return _listed[kind]

    return items


def _class_names(kind, attribute):
    def search(self, context, edit_text):
        """Return the class names that contain the text."""
        model = catalog.find(getattr(self, attribute), kind)
        wanted = edit_text.lower()
        return [c.name for c in model.classes if wanted in c.name] if model is not None else []

    return search


class TexGenSettings(bpy.types.PropertyGroup):
    model: bpy.props.EnumProperty(
        name="Model", description="Which network draws", items=_models("material")
    )
    class_name: bpy.props.StringProperty(
        name="Class",
        description="Kind of material, such as bark; or a mix, such as brick=0.7,rock=0.3",
        default="bark",
        search=_class_names("material", "model"),
    )
    prompt: bpy.props.StringProperty(
        name="Prompt", description="In English words, instead of a class"
    )
    seed: bpy.props.IntProperty(
        name="Seed", description="The same seed gives the same texture", default=1, min=0
    )
    seed_locked: bpy.props.BoolProperty(
        name="Keep Seed",
        description="Generate again with the same seed instead of another one",
        default=True,
    )
    size: bpy.props.EnumProperty(
        name="Size", description="Edge of the texture", items=SIZES, default="1024"
    )
    target: bpy.props.EnumProperty(
        name="Target", description="Where the result goes", items=materials.MODES, default="ACTIVE"
    )
    projection: bpy.props.EnumProperty(
        name="Projection", description="How the maps lie on the surface", items=PROJECTIONS
    )
    relief: bpy.props.EnumProperty(
        name="Relief", description="What raises the surface", items=RELIEFS
    )
    files: bpy.props.EnumProperty(name="Files", description="Where the maps are kept", items=FILES)
    live: bpy.props.BoolProperty(
        name="Live",
        description="Show small previews on the object while you drag a slider",
        default=True,
    )

    count: bpy.props.EnumProperty(
        name="Count", items=[(str(n), str(n), "") for n in (4, 9, 16)], default="9"
    )
    amount: bpy.props.FloatProperty(
        name="Amount", description="How far the variations may go", default=0.3, min=0.0, max=1.0
    )
    lock_layout: bpy.props.BoolProperty(name="Layout", description="Keep where things lie")
    lock_colour: bpy.props.BoolProperty(name="Colour", description="Keep the colours")
    lock_relief: bpy.props.BoolProperty(name="Relief", description="Keep the relief")
    mix_material: bpy.props.PointerProperty(
        name="With",
        description="Another texgen material of this file to mix with",
        type=bpy.types.Material,
        poll=lambda self, material: bool(material.texgen.entries),
    )
    mix_share: bpy.props.FloatProperty(
        name="Share", description="Of the other material", default=0.5, min=0.05, max=0.95
    )
    mix_mask: bpy.props.PointerProperty(
        name="Mask",
        description="An image that paints the mix: black is this material, white the other; "
        "none: mixed evenly",
        type=bpy.types.Image,
    )
    mix_layer: bpy.props.StringProperty(
        name="Colour Layer",
        description="Of the mesh: black shows this material, white the other; empty: the "
        "active layer",
    )
    photo: bpy.props.PointerProperty(
        name="Photograph", description="An image of this file to capture", type=bpy.types.Image
    )
    repair_tiling: bpy.props.EnumProperty(
        name="Tiling", description="Whether seams are closed", items=TILINGS
    )
    repair_clean: bpy.props.BoolProperty(
        name="Clean", description="Take JPEG blocks and noise away"
    )
    repair_fill: bpy.props.BoolProperty(
        name="Fill Missing Maps",
        description="Make the maps that are missing from those that are there",
        default=True,
    )

    environment_model: bpy.props.EnumProperty(name="Model", items=_models("environment"))
    environment_class: bpy.props.StringProperty(
        name="Class",
        description="Kind of surroundings",
        default="outdoor_clear",
        search=_class_names("environment", "environment_model"),
    )
    environment_seed: bpy.props.IntProperty(name="Seed", default=1, min=0)
    environment_size: bpy.props.EnumProperty(
        name="Size", description="Width of the panorama", items=PANORAMAS, default="1024"
    )

    def locks(self):
        """Return the names of the active locks, as a request takes them."""
        return [name for name in ("layout", "colour", "relief") if getattr(self, f"lock_{name}")]


def register():
    bpy.utils.register_class(TexGenSettings)
    bpy.types.Scene.texgen = bpy.props.PointerProperty(type=TexGenSettings)


def unregister():
    del bpy.types.Scene.texgen
    bpy.utils.unregister_class(TexGenSettings)
