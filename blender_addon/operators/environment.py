# SPDX-License-Identifier: GPL-3.0-or-later
"""The operator that lights the scene with a generated panorama."""

import bpy

from texgen.wire import requests

from .. import jobs, request_options, world
from .base import ServerOperator


class TEXGEN_OT_environment(ServerOperator, bpy.types.Operator):
    bl_idname = "texgen.environment"
    bl_label = "Generate Environment"
    bl_description = "Light the scene with a generated panorama of the surroundings"

    def request(self, context, server):
        settings, scene = context.scene.texgen, context.scene.name
        mix, options = request_options.environment_options(context.scene)
        stem = f"{'-'.join(mix)}_{settings.environment_seed}"
        beside = settings.files == "BESIDE"
        call = requests.generate_environment(mix, **options)
        jobs.board.start_texture_call(
            server, call, lambda assembler: world.apply_steps(assembler, scene, stem, beside=beside)
        )


CLASSES = (TEXGEN_OT_environment,)
