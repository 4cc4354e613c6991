# SPDX-License-Identifier: GPL-3.0-or-later
"""The buttons. Each starts something and returns at once."""

import secrets

import bpy

from texgen.arguments import parse_class_mix
from texgen.errors import TexgenError
from texgen.pb import texgen_pb2 as pb

from . import jobs, materials, preferences, transport


def _server():
    """The server of the preferences. Raises ValueError with a message for the user."""
    settings = preferences.get()
    host, port = preferences.split_address(settings.address)
    preferences.refuse_offline(host)
    return transport.Server(host, port, settings.token)


class TEXGEN_OT_generate(bpy.types.Operator):
    bl_idname = "texgen.generate"
    bl_label = "Generate"
    bl_description = "Generate a material and put it into the active object's material slot"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context):
        return not jobs.board.active

    def execute(self, context):
        settings = context.scene.texgen
        try:
            server = _server()
            mix = parse_class_mix(settings.class_name)
        except (ValueError, TexgenError) as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        edge = int(settings.size)
        request = pb.GenerateMaterialRequest(
            classes=[pb.ClassWeight(name=n, weight=w) for n, w in mix],
            seed=settings.seed,
            size=pb.Size(width_px=edge, height_px=edge),
            encoding=pb.ENCODING_PNG,
        )
        stem = f"{'-'.join(n for n, _ in mix)}_{settings.seed}"
        jobs.board.generate(server, request, materials.Target.of(context, stem))
        return {"FINISHED"}


class TEXGEN_OT_cancel(bpy.types.Operator):
    bl_idname = "texgen.cancel"
    bl_label = "Cancel"
    bl_description = "Cancel; the server stops its work too"

    @classmethod
    def poll(cls, context):
        return jobs.board.active

    def execute(self, context):
        jobs.board.cancel()
        return {"FINISHED"}


class TEXGEN_OT_random_seed(bpy.types.Operator):
    bl_idname = "texgen.random_seed"
    bl_label = "Random Seed"
    bl_description = "Choose another seed"

    def execute(self, context):
        context.scene.texgen.seed = secrets.randbelow(2**31 - 1)
        return {"FINISHED"}


class TEXGEN_OT_test_connection(bpy.types.Operator):
    bl_idname = "texgen.test_connection"
    bl_label = "Test Connection"
    bl_description = "Ask the server for its model and classes"

    @classmethod
    def poll(cls, context):
        return not jobs.board.active

    def execute(self, context):
        try:
            jobs.board.refresh(_server())
        except ValueError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


classes = (TEXGEN_OT_generate, TEXGEN_OT_cancel, TEXGEN_OT_random_seed, TEXGEN_OT_test_connection)


def register():
    for cls in classes:
        bpy.utils.register_class(cls)


def unregister():
    for cls in reversed(classes):
        bpy.utils.unregister_class(cls)
