# SPDX-License-Identifier: GPL-3.0-or-later
"""What our operators have in common: errors are said where the artist looks, and most wait until
nothing else runs.
"""

from texgen.errors import TexgenError

from . import history, jobs, preferences


class Acting:
    """An operator that does something at once, in ``act``: what is wrong is told to the artist."""

    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context):
        return not jobs.board.active

    def execute(self, context):
        try:
            self.act(context)
        except (ValueError, OSError, TexgenError) as error:
            jobs.board.tell_user(str(error), failed=True)
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class Asking(Acting):
    """An operator that asks the server for something, in ``ask``."""

    def act(self, context):
        self.ask(context, preferences.server())


class OnTexgenMaterial:
    """For an operator on the active object's material, which must be ours."""

    @classmethod
    def poll(cls, context):
        if jobs.board.active:
            return False
        if not history.recipe_of(active_material(context)):
            cls.poll_message_set(
                "The active object has no material with a texgen recipe: generate one first"
            )
            return False
        return True


def active_material(context):
    """Of the active object; None where there is none."""
    return context.active_object.active_material if context.active_object is not None else None
