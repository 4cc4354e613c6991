# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators, one module a subject. Each starts something and returns at once."""

import bpy

from . import assets, environment, generate, history, images, mix, presets, servers, variations

MODULES = (generate, variations, mix, history, images, presets, servers, environment, assets)
CLASSES = tuple(cls for module in MODULES for cls in module.CLASSES)

register, unregister = bpy.utils.register_classes_factory(CLASSES)
