# SPDX-License-Identifier: GPL-3.0-or-later
"""The buttons beside materials: connection, profiles, the server on this computer, environments,
assets.
"""

import bpy

from texgen.wire import requests

from . import assets, catalog, history, jobs, local_server, preferences, request_options, world
from .operator_base import Acting, Asking, OnTexgenMaterial, active_material


class TEXGEN_OT_test_connection(Asking, bpy.types.Operator):
    bl_idname = "texgen.test_connection"
    bl_label = "Connect"
    bl_description = "Ask the server for its models; sliders are built from what it tells"

    def ask(self, context, server):
        catalog.ask(jobs.board, server)


class TEXGEN_OT_add_profile(bpy.types.Operator):
    bl_idname = "texgen.add_profile"
    bl_label = "Add Server"
    bl_description = "Another server to choose"

    def execute(self, context):
        settings = preferences.get()
        preferences.active_profile()
        settings.profiles.add().name = f"Server {len(settings.profiles)}"
        settings.active_profile = len(settings.profiles) - 1
        return {"FINISHED"}


class TEXGEN_OT_remove_profile(bpy.types.Operator):
    bl_idname = "texgen.remove_profile"
    bl_label = "Remove Server"
    bl_description = "Forget the chosen server, its token too"

    @classmethod
    def poll(cls, context):
        return len(preferences.get().profiles) > 1

    def execute(self, context):
        settings = preferences.get()
        settings.profiles.remove(settings.active_profile)
        settings.active_profile = max(0, settings.active_profile - 1)
        return {"FINISHED"}


class TEXGEN_OT_start_server(Acting, bpy.types.Operator):
    bl_idname = "texgen.start_server"
    bl_label = "Start Local Server"
    bl_description = "Run a texgen server on this computer until Blender ends"

    def act(self, context):
        local_server.start(preferences.get().command)
        jobs.board.watch(_server_started)


def _server_started():
    """Until the server tells its address: then it is the one that is used."""
    address = local_server.address()
    if address:
        profile = preferences.active_profile()
        profile.address, profile.token, profile.tls = address, "", False
        catalog.ask(jobs.board, preferences.server())
    return not address and local_server.running()


class TEXGEN_OT_stop_server(bpy.types.Operator):
    bl_idname = "texgen.stop_server"
    bl_label = "Stop Local Server"
    bl_description = "End the server that was started here"

    def execute(self, context):
        local_server.stop()
        return {"FINISHED"}


class TEXGEN_OT_environment(Asking, bpy.types.Operator):
    bl_idname = "texgen.environment"
    bl_label = "Generate Environment"
    bl_description = "Light the scene with a generated panorama of the surroundings"

    def ask(self, context, server):
        settings, scene = context.scene.texgen, context.scene.name
        mix, options = request_options.environment_options(context.scene)
        stem = f"{'-'.join(mix)}_{settings.environment_seed}"
        beside = settings.files == "BESIDE"
        ask = requests.generate_environment(mix, **options)
        jobs.board.ask(
            server, ask, lambda assembler: world.apply_steps(assembler, scene, stem, beside=beside)
        )


class TEXGEN_OT_mark_asset(OnTexgenMaterial, Acting, bpy.types.Operator):
    bl_idname = "texgen.mark_asset"
    bl_label = "Mark as Asset"
    bl_description = "Show the material in the asset browser, with its picture, recipe and licence"

    def act(self, context):
        assets.mark(active_material(context))
        jobs.board.tell_user(
            f"{active_material(context).name} is an asset: "
            f"{history.current(active_material(context)).label}"
        )


CLASSES = (
    TEXGEN_OT_test_connection,
    TEXGEN_OT_add_profile,
    TEXGEN_OT_remove_profile,
    TEXGEN_OT_start_server,
    TEXGEN_OT_stop_server,
    TEXGEN_OT_environment,
    TEXGEN_OT_mark_asset,
)

register, unregister = bpy.utils.register_classes_factory(CLASSES)
