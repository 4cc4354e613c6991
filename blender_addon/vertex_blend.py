# SPDX-License-Identifier: GPL-3.0-or-later
"""A material that shows through where the artist has painted a colour layer of the mesh: shader
nodes, no pixels.
"""

from dataclasses import replace

from . import nodes


def paint_over(material, other, layer):
    """Blend ``other`` over a material of ours by a colour layer; None: no more. Both keep their
    recipes.

    Raises ValueError where the other has no maps.
    """
    if other is material:
        raise ValueError(f"Choose another material than {material.name} itself")
    if other is not None and not _textures(other):
        raise ValueError(
            f"{other.name} has no image textures on a Principled shader: there is nothing to blend"
        )
    material.texgen.over, material.texgen.over_layer = other, layer
    images = {
        kind: node.image
        for kind, node in nodes.our_textures(material).items()
        if node.image is not None
    }
    nodes.build(material, images, replace(nodes.look_of(material), over=over_of(material)))


def over_of(material):
    """What is painted over a material, as it is now; None where nothing is."""
    other = material.texgen.over
    if other is None:
        return None
    look = nodes.look_of(other)
    images = {kind: node.image for kind, node in _textures(other).items() if node.image is not None}
    return nodes.Over(material.texgen.over_layer, images, look.tile_m, look.height_m)


def layer_of(obj, wanted):
    """Name of a colour layer of an object: the wanted one, or the active one.

    Raises ValueError where there is none.
    """
    layers = getattr(obj.data, "color_attributes", ())
    if wanted and wanted not in layers:
        raise ValueError(
            f"{obj.name} has no colour layer {wanted}; it has: "
            f"{', '.join(a.name for a in layers) or 'none'}"
        )
    if not wanted and not layers:
        raise ValueError(
            f"{obj.name} has no colour layer: paint one in Vertex Paint mode, black where "
            f"{obj.active_material.name} is"
        )
    return wanted or layers.active_color.name


def _textures(material):
    return nodes.our_textures(material) or nodes.principled_textures(material)
