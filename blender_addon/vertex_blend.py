# SPDX-License-Identifier: GPL-3.0-or-later
"""Blends two materials by a colour attribute that the artist paints on the mesh, with shader nodes
only.
"""

from dataclasses import replace

from . import nodes, shader_textures


def set_blend(material, other, layer):
    """Blend ``other`` over a texgen material by a colour attribute; None removes the blend.

    Both keep their recipes. Raises ValueError if the other material has no maps.
    """
    if other is material:
        raise ValueError(f"Choose another material than {material.name} itself")
    if other is not None and not _textures(other):
        raise ValueError(
            f"{other.name} has no image textures on a Principled shader: there is nothing to blend"
        )
    material.texgen.blend_material, material.texgen.blend_layer = other, layer
    images = {
        kind: node.image
        for kind, node in nodes.texgen_textures(material).items()
        if node.image is not None
    }
    mapping = replace(nodes.current_mapping(material), blend=blend_of(material))
    nodes.build(material, images, mapping)


def blend_of(material):
    """Return the blend that is set on a material, with current images; None if there is none."""
    other = material.texgen.blend_material
    if other is None:
        return None
    look = nodes.current_mapping(other)
    images = {kind: node.image for kind, node in _textures(other).items() if node.image is not None}
    return nodes.VertexBlend(material.texgen.blend_layer, images, look.tile_m, look.height_m)


def color_layer_of(obj, wanted):
    """Return the name of an object's colour attribute: the wanted one, else the active one.

    Raises ValueError if there is none.
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
    return nodes.texgen_textures(material) or shader_textures.principled_textures(material)
