# SPDX-License-Identifier: GPL-3.0-or-later
"""TexGen for Blender: asks a texgen server for materials and puts them on your objects."""


def _modules():
    """Ours, in order of registration. Imported late, so that other tools can read this package outside Blender."""
    from . import jobs, operators, panels, preferences, properties

    return preferences, properties, operators, panels, jobs


def register():
    for module in _modules():
        module.register()


def unregister():
    for module in reversed(_modules()):
        module.unregister()
