# SPDX-License-Identifier: Apache-2.0
"""Writes an ORMMaterial3D resource of Godot 4 beside its textures.

Source: Godot's documentation of the TSCN/TRES text format.
"""

from __future__ import annotations

from collections.abc import Mapping

from texgen.export.texture_set import TextureSet


def write(
    textures: TextureSet, names: Mapping[str, str], _files: Mapping[str, bytes]
) -> dict[str, bytes]:
    """Write ``<stem>.tres``."""
    slots = {"basecolor": "albedo_texture", "packed": "orm_texture", "normal": "normal_texture"}
    used = [(slot, names[what]) for what, slot in slots.items() if what in names]
    lines = [f'[gd_resource type="ORMMaterial3D" load_steps={len(used) + 1} format=3]', ""]
    lines += [
        f'[ext_resource type="Texture2D" path="{file}" id="{number}"]'
        for number, (_, file) in enumerate(used, 1)
    ]
    lines += ["", "[resource]", f'resource_name = "{textures.stem}"']
    for number, (slot, _) in enumerate(used, 1):
        if slot == "normal_texture":
            lines.append("normal_enabled = true")
        lines.append(f'{slot} = ExtResource("{number}")')
    lines += ["texture_filter = 5", "texture_repeat = true", ""]
    return {f"{textures.stem}.tres": "\n".join(lines).encode()}
