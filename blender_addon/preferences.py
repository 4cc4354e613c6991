# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the server is. Kept in Blender's preferences, never in a .blend file."""

import ipaddress

import bpy


class TexGenPreferences(bpy.types.AddonPreferences):
    bl_idname = __package__

    address: bpy.props.StringProperty(name="Server", description="Address of the texgen server, HOST:PORT", default="127.0.0.1:50051")
    token: bpy.props.StringProperty(
        name="Token", description="The server's token; empty when it asks for none", default="", subtype="PASSWORD"
    )

    def draw(self, context):
        self.layout.prop(self, "address")
        self.layout.prop(self, "token")
        self.layout.operator("texgen.test_connection", icon="URL")


def get():
    """The add-on's preferences."""
    return bpy.context.preferences.addons[__package__].preferences


def split_address(address):
    """``"127.0.0.1:50051"`` -> (host, port). Raises ValueError with a message for the user."""
    host, _, port = address.strip().rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f"Server address {address!r}: write HOST:PORT, such as 127.0.0.1:50051 (Preferences > Add-ons > TexGen)")
    return host.strip("[]"), int(port)


def refuse_offline(host):
    """Blender's "Allow Online Access" rules over every host but this machine. Raises ValueError."""
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = host == "localhost"
    if not loopback and not bpy.app.online_access:
        raise ValueError(f"Online access is off, and {host} is another machine: enable it in Preferences > System > Network")


def register():
    bpy.utils.register_class(TexGenPreferences)


def unregister():
    bpy.utils.unregister_class(TexGenPreferences)
