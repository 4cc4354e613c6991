# SPDX-License-Identifier: GPL-3.0-or-later
"""TexGen for Blender: asks a texgen server for materials and puts them on your objects."""


def _modules():
    """Ours, in order of registration.

    Imported late, so that other tools can read this package outside Blender.
    """
    from . import (
        catalog,
        history,
        jobs,
        live_preview,
        operators,
        operators_images,
        operators_scene,
        panels,
        preferences,
        properties,
        variations,
    )

    return (
        preferences,
        catalog,
        history,
        properties,
        variations,
        operators,
        operators_scene,
        operators_images,
        panels,
        jobs,
        live_preview,
    )


def register():
    for module in _modules():
        module.register()


def unregister():
    for module in reversed(_modules()):
        module.unregister()
