# SPDX-License-Identifier: GPL-3.0-or-later
"""TexGen for Blender: asks a texgen server for materials and puts them on your objects."""


def _modules():
    """Import the add-on's modules, in order of registration.

    Imported late, so that tools outside Blender can read this package.
    """
    from . import (
        catalog,
        history,
        jobs,
        live_preview,
        operators,
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
