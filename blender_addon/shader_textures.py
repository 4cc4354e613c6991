# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the image textures that feed the Principled shader of any material, and reads their
samples.
"""

from texgen.maps import MapKind

from . import images

PRINCIPLED_INPUTS = {
    "Base Color": MapKind.BASECOLOR,
    "Metallic": MapKind.METALLIC,
    "Roughness": MapKind.ROUGHNESS,
    "Normal": MapKind.NORMAL,
}
MAX_LINKS = 8


def principled_textures(material):
    """Return the texture nodes that feed a material's Principled shader by map kind, found by
    following single chains of nodes.
    """
    if material is None or material.node_tree is None:
        return {}
    shader = next((n for n in material.node_tree.nodes if n.type == "BSDF_PRINCIPLED"), None)
    if shader is None:
        return {}
    found = {kind: _texture_behind(shader.inputs[name]) for name, kind in PRINCIPLED_INPUTS.items()}
    return {kind: node for kind, node in found.items() if node is not None}


def _texture_behind(socket):
    """Follow the first link of each node back to an image texture; None if there is none."""
    for _ in range(MAX_LINKS):
        if not socket.is_linked:
            return None
        node = socket.links[0].from_node
        if node.type == "TEX_IMAGE":
            return node
        socket = next((i for i in node.inputs if i.is_linked), None)
        if socket is None:
            return None
    return None


def samples(textures):
    """Read the samples of texture nodes by map kind. Raises ValueError."""
    channels = {MapKind.BASECOLOR: 3, MapKind.NORMAL: 3}
    return {
        kind: images.samples(node.image, channels.get(kind, 1))
        for kind, node in textures.items()
        if node.image is not None
    }
