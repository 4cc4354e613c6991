# SPDX-License-Identifier: GPL-3.0-or-later
"""Server profiles and other preferences.

Stored in Blender's preferences, never in a .blend file.
"""

from pathlib import Path

import bpy

from . import local_server, transport
from .addresses import DEFAULT_ADDRESS, check_online_access, split_address


class TexGenProfile(bpy.types.PropertyGroup):
    """A server profile. Its ``name`` is shown in the list."""

    address: bpy.props.StringProperty(
        name="Address", description="Of the texgen server, HOST:PORT", default=DEFAULT_ADDRESS
    )
    token: bpy.props.StringProperty(
        name="Token",
        description="The server's token; empty when it asks for none",
        default="",
        subtype="PASSWORD",
    )
    tls: bpy.props.BoolProperty(
        name="TLS", description="Talk over TLS, as servers on other machines should"
    )
    tls_ca: bpy.props.StringProperty(
        name="CA File",
        description="PEM file of the authority that signed the server's certificate; empty: "
        "those that this computer trusts",
        subtype="FILE_PATH",
    )


class TEXGEN_UL_profiles(bpy.types.UIList):
    def draw_item(
        self, context, layout, data, item, icon, active_data, active_property, index=0, flt_flag=0
    ):
        layout.prop(item, "name", text="", emboss=False, icon="URL")
        layout.label(text=item.address)


class TexGenPreferences(bpy.types.AddonPreferences):
    bl_idname = __package__

    profiles: bpy.props.CollectionProperty(type=TexGenProfile)
    active_profile: bpy.props.IntProperty(name="Server", default=0, min=0)
    command: bpy.props.StringProperty(
        name="Command",
        description="What starts a server on this computer; the full path where 'texgen' is "
        "not found",
        default="texgen",
    )

    def draw(self, context):
        layout = self.layout
        row = layout.row()
        row.template_list(
            "TEXGEN_UL_profiles", "", self, "profiles", self, "active_profile", rows=2
        )
        buttons = row.column(align=True)
        buttons.operator("texgen.add_profile", text="", icon="ADD")
        buttons.operator("texgen.remove_profile", text="", icon="REMOVE")
        profile = active_profile()
        column = layout.column()
        column.use_property_split = True
        for name in ("address", "token", "tls"):
            column.prop(profile, name)
        if profile.tls:
            column.prop(profile, "tls_ca")
        layout.operator("texgen.test_connection", icon="URL")
        _draw_local_server(layout.box(), self)


def _draw_local_server(box, settings):
    box.prop(settings, "command")
    box.operator(
        "texgen.start_server" if not local_server.running() else "texgen.stop_server",
        icon="CONSOLE",
    )
    for line in local_server.last_lines(6):
        box.label(text=line)


def get():
    """Return the add-on's preferences."""
    return bpy.context.preferences.addons[__package__].preferences


def active_profile():
    """Return the active server profile; creates a first one if there is none."""
    settings = get()
    if not settings.profiles:
        settings.profiles.add().name = "This computer"
    return settings.profiles[min(settings.active_profile, len(settings.profiles) - 1)]


def server():
    """Return the server to call. Raises ValueError with a message for the user."""
    profile = active_profile()
    host, port = split_address(profile.address)
    check_online_access(host, allowed=bpy.app.online_access)
    authority = bpy.path.abspath(profile.tls_ca) if profile.tls_ca else ""
    if profile.tls and authority and not Path(authority).is_file():
        raise ValueError(
            f"There is no CA file {authority}: choose it in Preferences > Add-ons > TexGen"
        )
    return transport.Server(host, port, profile.token, profile.tls, authority)


CLASSES = (TexGenProfile, TEXGEN_UL_profiles, TexGenPreferences)


def register():
    for cls in CLASSES:
        bpy.utils.register_class(cls)


def unregister():
    local_server.stop()
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
