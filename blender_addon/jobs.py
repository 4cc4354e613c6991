# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls in flight, polled by one timer on Blender's main thread: the only door from the network to bpy.

`Board.poll` is a plain method: the timer calls it in a window, tests call it in background mode, where timers never fire.
"""

import bpy

from . import materials, transport

TICK_S = 0.05


class Board:
    """The jobs of this Blender, and what the panel shows of them."""

    def __init__(self):
        self.transport = transport.Transport()
        self.class_names = []
        self.message = ""
        self.failed = False
        self._jobs = []

    @property
    def active(self):
        """True while a call runs or a result is being applied."""
        return bool(self._jobs)

    @property
    def progress(self):
        """(fraction 0..1, stage) of the oldest job."""
        return (self._jobs[0].call.fraction, self._jobs[0].stage) if self._jobs else (0.0, "")

    def generate(self, server, request, target):
        """Ask for a material and put it on ``target`` (see `materials.Target`) when it has come."""
        self._add(Job(self.transport.generate(server, request), lambda result: materials.apply_steps(result, target)))

    def refresh(self, server):
        """Ask for the classes of the server's model."""
        self._add(Job(self.transport.get_model(server), self._take_model))

    def cancel(self):
        """Cancel all calls; the server stops its work on them."""
        for job in self._jobs:
            job.cancel()

    def close(self):
        """End the worker thread, forget everything."""
        self._jobs.clear()
        self.transport.close()

    def poll(self):
        """Advance every job by one small step. Returns seconds until the next poll, or None when idle."""
        for job in list(self._jobs):
            done = job.step()
            if done is not None:
                self._jobs.remove(job)
                self.failed, self.message = done
        _redraw()
        return TICK_S if self._jobs else None

    def _add(self, job):
        self.message, self.failed = "", False
        self._jobs.append(job)
        if not bpy.app.timers.is_registered(_tick):
            bpy.app.timers.register(_tick, first_interval=TICK_S)

    def _take_model(self, model):
        self.class_names = [c.name for c in model.classes]
        yield f"Connected: {model.title} {model.version}, {len(self.class_names)} classes"


class Job:
    """A call, then a generator of small steps that applies its result; the last thing it yields is told to the user."""

    def __init__(self, call, apply):
        self.call = call
        self._apply = apply
        self._steps = None
        self._last = ""

    @property
    def stage(self):
        return "applying" if self._steps else self.call.stage

    def cancel(self):
        self.call.cancel()

    def step(self):
        """One step. Returns None while there is more to do, else (failed, message)."""
        if self._steps is None:
            return self._receive()
        try:
            self._last = next(self._steps)
        except StopIteration:
            return False, self._last
        except (RuntimeError, ReferenceError, ValueError) as error:
            return True, f"Could not apply the result: {error}"
        return None

    def _receive(self):
        if self.call.outcome.empty():
            return None
        kind, value = self.call.outcome.get()
        if kind == "cancelled":
            return False, "Cancelled"
        if kind == "failed":
            return True, value
        self._steps = self._apply(value)
        return None


board = Board()


def _tick():
    return board.poll()


def _redraw():
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type in {"VIEW_3D", "NODE_EDITOR", "PREFERENCES"}:
                area.tag_redraw()


@bpy.app.handlers.persistent
def _forget_jobs(*_):
    """Another file is being opened: what was asked for belongs to the old one."""
    board.cancel()
    board._jobs.clear()


def register():
    bpy.app.handlers.load_pre.append(_forget_jobs)


def unregister():
    bpy.app.handlers.load_pre.remove(_forget_jobs)
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    board.close()
