# SPDX-License-Identifier: GPL-3.0-or-later
"""Base classes of operators: they report errors to the user, and most are disabled while a job
runs.
"""

from texgen.errors import TexgenError

from .. import history, jobs, preferences


class TexgenOperator:
    """Base of operators that finish at once, in ``run``. Errors are shown to the user."""

    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context):
        return not jobs.board.active

    def execute(self, context):
        try:
            self.run(context)
        except (ValueError, OSError, TexgenError) as error:
            jobs.board.show_message(str(error), failed=True)
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class ServerOperator(TexgenOperator):
    """Base of operators that request something from the server, in ``request``."""

    def run(self, context):
        self.request(context, preferences.server())


class OnTexgenMaterial:
    """Mixin for operators that need an active material made by texgen."""

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
    """Return the active object's active material; None if there is none."""
    return context.active_object.active_material if context.active_object is not None else None
