# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators on servers: test the connection, edit the list, start and stop a local one."""

import bpy

from .. import catalog, jobs, local_server, preferences
from .base import ServerOperator, TexgenOperator


class TEXGEN_OT_test_connection(ServerOperator, bpy.types.Operator):
    bl_idname = "texgen.test_connection"
    bl_label = "Connect"
    bl_description = "Ask the server for its models; sliders are built from what it tells"

    def request(self, context, server):
        catalog.request_models(jobs.board, server)


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


class TEXGEN_OT_start_server(TexgenOperator, bpy.types.Operator):
    bl_idname = "texgen.start_server"
    bl_label = "Start Local Server"
    bl_description = "Run a texgen server on this computer until Blender ends"

    def run(self, context):
        local_server.start(preferences.get().command)
        jobs.board.on_tick(_server_started)


def _server_started():
    """Poll until the started server prints its address, then use that address.

    Returns whether to continue.
    """
    address = local_server.address()
    if address:
        profile = preferences.active_profile()
        profile.address, profile.token, profile.tls = address, "", False
        catalog.request_models(jobs.board, preferences.server())
    return not address and local_server.running()


class TEXGEN_OT_stop_server(bpy.types.Operator):
    bl_idname = "texgen.stop_server"
    bl_label = "Stop Local Server"
    bl_description = "End the server that was started here"

    def execute(self, context):
        local_server.stop()
        return {"FINISHED"}


CLASSES = (
    TEXGEN_OT_test_connection,
    TEXGEN_OT_add_profile,
    TEXGEN_OT_remove_profile,
    TEXGEN_OT_start_server,
    TEXGEN_OT_stop_server,
)
