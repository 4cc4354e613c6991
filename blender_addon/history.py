# SPDX-License-Identifier: GPL-3.0-or-later
"""Stores the recipe of every result with its material, in the .blend file."""

import bpy

from . import images

MAX_ENTRIES = 64


class TexGenEntry(bpy.types.PropertyGroup):
    """Records one result of a material."""

    recipe: bpy.props.StringProperty(
        name="Recipe", description="Makes this texture again, given the same model"
    )
    label: bpy.props.StringProperty(name="What", description="How it was made")
    mask: bpy.props.PointerProperty(
        name="Mask", description="What painted a mix of two materials", type=bpy.types.Image
    )
    parent: bpy.props.IntProperty(
        name="From", description="The entry that it came from; -1: from none", default=-1
    )


class TexGenMaterial(bpy.types.PropertyGroup):
    """Holds texgen's data of a material."""

    entries: bpy.props.CollectionProperty(type=TexGenEntry)
    current: bpy.props.IntProperty(default=-1)
    licence: bpy.props.StringProperty(name="Licence", description="Of the maps")
    blend_material: bpy.props.PointerProperty(
        name="Over",
        description="Material that shows where the colour layer is white",
        type=bpy.types.Material,
    )
    blend_layer: bpy.props.StringProperty(
        name="Colour Layer", description="Of the mesh: black is this material, white the other"
    )


def current(material):
    """Return the entry that the material shows now; None if it has none."""
    if material is None or not 0 <= material.texgen.current < len(material.texgen.entries):
        return None
    return material.texgen.entries[material.texgen.current]


def recipe_of(material):
    """Return the recipe of the current entry; empty if there is none."""
    entry = current(material)
    return entry.recipe if entry is not None else ""


def record(material, result, label, mask=None):
    """Record a result as the one that the material shows.

    A recipe is stored once; above MAX_ENTRIES the oldest entry is removed.
    """
    known = material.texgen
    material[images.MARK] = result.recipe
    known.licence = result.output_licence
    for index, entry in enumerate(known.entries):
        if entry.recipe == result.recipe and result.recipe:
            known.current = index
            return
    parent = known.current
    entry = known.entries.add()
    entry.recipe, entry.label, entry.parent, entry.mask = result.recipe, label, parent, mask
    known.current = len(known.entries) - 1
    if len(known.entries) > MAX_ENTRIES:
        _remove_oldest(known)


def _remove_oldest(known):
    known.entries.remove(0)
    known.current -= 1
    for entry in known.entries:
        entry.parent = max(-1, entry.parent - 1)


def depth(known, index):
    """Return the number of ancestors of an entry."""
    steps = 0
    while index >= 0 and known.entries[index].parent >= 0 and steps < MAX_ENTRIES:
        index, steps = known.entries[index].parent, steps + 1
    return steps


def register():
    bpy.utils.register_class(TexGenEntry)
    bpy.utils.register_class(TexGenMaterial)
    bpy.types.Material.texgen = bpy.props.PointerProperty(type=TexGenMaterial)


def unregister():
    del bpy.types.Material.texgen
    bpy.utils.unregister_class(TexGenMaterial)
    bpy.utils.unregister_class(TexGenEntry)
