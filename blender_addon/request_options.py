# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns the artist's settings into arguments for requests."""

from texgen.arguments import parse_class_mix

from . import catalog

TILE, LEAST_TILE_PX = "tile_px", 128.0


def generate_options(scene):
    """Return (class mix, keyword arguments) for `texgen.wire.requests.generate`.

    Raises TexgenError, ValueError.
    """
    settings = scene.texgen
    model = catalog.find(settings.model, "material")
    edge = int(settings.size)
    options = {"seed": settings.seed, "size_px": (edge, edge), "controls": {}}
    if model is not None:  # else the server's own, as it is
        options |= {
            "model": model.id,
            "controls": _one_tile(model, edge) | catalog.changed_values(scene, model),
        }
    if settings.prompt:
        return "", options | {"prompt": settings.prompt}
    return dict(parse_class_mix(settings.class_name)), options


def _one_tile(model, edge_px):
    """Set the tile size to the picture's edge, so that by default a texture is one tile and a small
    one shows what a large one will.
    """
    return {
        c.name: max(c.minimum, min(float(edge_px), c.maximum))
        for c in model.controls
        if c.name == TILE
    }


def small(options, edge_px):
    """Return options for the same texture with fewer pixels."""
    scale, controls = edge_px / options["size_px"][0], dict(options["controls"])
    if TILE in controls:
        controls[TILE] = max(LEAST_TILE_PX, controls[TILE] * scale)
    return options | {"size_px": (edge_px, edge_px), "controls": controls}


def environment_options(scene):
    """Return (class mix, keyword arguments) for `texgen.wire.requests.generate_environment`.

    Raises TexgenError, ValueError.
    """
    settings = scene.texgen
    model = catalog.find(settings.environment_model, "environment")
    options = {"seed": settings.environment_seed, "width_px": int(settings.environment_size)}
    if model is not None:
        options |= {"model": model.id, "controls": catalog.changed_values(scene, model)}
    return dict(parse_class_mix(settings.environment_class)), options


def stem_of(mix, settings):
    """Return the name stem of files and materials."""
    words = "-".join(mix) if mix else settings.prompt[:24].strip().replace(" ", "_")
    return f"{words}_{settings.seed}"
