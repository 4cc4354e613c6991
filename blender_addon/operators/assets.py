# SPDX-License-Identifier: GPL-3.0-or-later
"""The operator that marks a material as an asset."""

import bpy

from .. import assets, history, jobs
from .base import OnTexgenMaterial, TexgenOperator, active_material


class TEXGEN_OT_mark_asset(OnTexgenMaterial, TexgenOperator, bpy.types.Operator):
    bl_idname = "texgen.mark_asset"
    bl_label = "Mark as Asset"
    bl_description = "Show the material in the asset browser, with its picture, recipe and licence"

    def run(self, context):
        assets.mark(active_material(context))
        jobs.board.show_message(
            f"{active_material(context).name} is an asset: "
            f"{history.current(active_material(context)).label}"
        )


CLASSES = (TEXGEN_OT_mark_asset,)
