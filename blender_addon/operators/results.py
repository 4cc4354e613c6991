# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts requests for materials and chooses where results go; shared by operators."""

from dataclasses import replace

from texgen.wire import requests

from .. import jobs, materials, nodes, shader_textures
from .base import active_material


def start(server, call, target, label):
    """Request a material and apply it to the target when it arrives."""
    jobs.board.start_texture_call(
        server, call, lambda assembler: materials.apply_steps(assembler.material(), target, label)
    )


def active_material_target(context, settings, stem, material):
    """Return the settings' target, changed to this very material."""
    return replace(
        materials.target_of(context, settings, stem), mode="ACTIVE", material_name=material.name
    )


def new_material_target(context, settings, stem):
    """Return the settings' target, changed to a new material."""
    return replace(materials.target_of(context, settings, stem), mode="NEW", material_name="")


def maps_of(material, work):
    """Read the samples of a material's maps, texgen's or a Principled shader's.

    Raises ValueError if there are none.
    """
    found = nodes.texgen_textures(material) or shader_textures.principled_textures(material)
    if not found:
        raise ValueError(
            f"The active material has no image textures on a Principled shader: there is "
            f"nothing to {work}"
        )
    return shader_textures.samples(found)


def regenerate(context, server, options, label):
    """Request a recipe and apply the result to the active material."""
    material = active_material(context)
    start(
        server,
        requests.generate(**options),
        active_material_target(context, context.scene.texgen, material.name, material),
        label,
    )
