# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs calls to the server and applies their results, polled by one timer on Blender's main thread:
the only way from the network to bpy.

`Board.poll` is a plain method: the timer calls it in a window, tests call it in background mode,
where timers never fire.
"""

import bpy

from . import frame_times, transport

TICK_S, LIVE_TICK_S = 0.05, 0.01


class Board:
    """Holds the running jobs of this Blender, and the message that the panel shows."""

    def __init__(self):
        self.transport = transport.Transport()
        self.message = ""
        self.failed = False
        self._jobs = []
        self._callbacks = []

    @property
    def active(self):
        """True while a call runs or a result is being applied."""
        return bool(self._jobs)

    @property
    def progress(self):
        """Progress of the oldest job as (fraction in [0, 1], stage)."""
        return (self._jobs[0].call.fraction, self._jobs[0].stage) if self._jobs else (0.0, "")

    def start_texture_call(self, server, call, steps):
        """Start a `texgen.wire.requests.TextureCall`.

        ``steps(assembler)`` returns a generator of small steps that applies the result (see `Job`).
        """
        self.add(Job(self.transport.start_texture_call(server, call), steps))

    def start_unary_call(self, server, service, method, request, steps):
        """Start a call with a single answer.

        ``steps(answer)`` returns a generator of small steps that applies it.
        """
        self.add(Job(self.transport.start_unary_call(server, service, method, request), steps))

    def on_tick(self, callback):
        """Call ``callback()`` at every tick as long as it returns True.

        A callback should do one small piece of work.
        """
        if callback not in self._callbacks:
            self._callbacks.append(callback)
        self._wake()

    def cancel(self):
        """Cancel all calls; the server stops its work on them."""
        for job in self._jobs:
            job.cancel()

    def discard_all(self):
        """Cancel all calls and discard what has been applied of them."""
        self.cancel()
        for job in self._jobs:
            job.discard()
        self._jobs.clear()
        self._callbacks.clear()

    def close(self):
        """End the worker thread and discard all jobs."""
        self.discard_all()
        self.transport.close()

    def poll(self):
        """Advance every job by one small step.

        Returns the seconds until the next poll, or None when idle.
        """
        with frame_times.tick():
            for job in list(self._jobs):
                done = job.step()
                if done is not None:
                    self._jobs.remove(job)
                    self.failed, self.message = done
            self._callbacks = [callback for callback in self._callbacks if callback()]
            _redraw()
        if self._callbacks:
            return LIVE_TICK_S
        return TICK_S if self._jobs else None

    def show_message(self, message, *, failed=False):
        """Show a message in the panel."""
        self.message, self.failed = message, failed

    def add(self, job):
        self.message, self.failed = "", False
        self._jobs.append(job)
        self._wake()

    def _wake(self):
        if not bpy.app.timers.is_registered(_tick):
            bpy.app.timers.register(_tick, first_interval=LIVE_TICK_S)


class FinalMessage(str):
    """A message of a step that cannot be undone by Cancel any more."""

    __slots__ = ()


class Job:
    """A call, followed by a generator of small steps that applies its result.

    The last message it yields is shown to the user.
    """

    def __init__(self, call, apply):
        self.call = call
        self._apply = apply
        self._steps = None
        self._last = ""
        self._cancelled = False

    @property
    def stage(self):
        return "applying" if self._steps else self.call.stage

    def cancel(self):
        """Cancel at the next step, unless a `FinalMessage` has been yielded; what was made so far
        is removed.
        """
        self._cancelled = True
        self.call.cancel()

    def discard(self):
        """Stop now, without a message."""
        if self._steps is not None:
            self._steps.close()

    def step(self):
        """Take one step. Returns None while there is more to do, else (failed, message)."""
        if self._steps is None:
            return self._receive()
        if self._cancelled and not isinstance(self._last, FinalMessage):
            self._steps.close()
            return False, "Cancelled"
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
        window.workspace.status_text_set_internal(
            None
        )  # draws the status bar again, which is no area of the screen
        for area in window.screen.areas:
            if area.type in {"VIEW_3D", "NODE_EDITOR", "PREFERENCES"}:
                area.tag_redraw()


@bpy.app.handlers.persistent
def _discard_jobs(*_):
    """Discard all jobs when another file is opened: they belong to the old one."""
    board.discard_all()


def register():
    bpy.app.handlers.load_pre.append(_discard_jobs)


def unregister():
    bpy.app.handlers.load_pre.remove(_discard_jobs)
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    board.close()
