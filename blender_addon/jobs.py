# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls in flight, polled by one timer on Blender's main thread: the only door from the network to
bpy.

`Board.poll` is a plain method: the timer calls it in a window, tests call it in background mode,
where timers never fire.
"""

import bpy

from . import frame_times, transport

TICK_S, LIVE_TICK_S = 0.05, 0.01


class Board:
    """The jobs of this Blender, and what the panel shows of them."""

    def __init__(self):
        self.transport = transport.Transport()
        self.message = ""
        self.failed = False
        self._jobs = []
        self._watchers = []

    @property
    def active(self):
        """True while a call runs or a result is being applied."""
        return bool(self._jobs)

    @property
    def progress(self):
        """(fraction 0..1, stage) of the oldest job."""
        return (self._jobs[0].call.fraction, self._jobs[0].stage) if self._jobs else (0.0, "")

    def ask(self, server, ask, steps):
        """Start a `texgen.wire.requests.TextureCall`.

        ``steps(assembler)`` is a generator of small steps that applies what came (see `Job`).
        """
        self.add(Job(self.transport.ask(server, ask), steps))

    def tell(self, server, service, method, request, steps):
        """Start a call with one answer, likewise."""
        self.add(Job(self.transport.tell(server, service, method, request), steps))

    def watch(self, watcher):
        """Call ``watcher()`` at every tick, as long as it returns True.

        At most one piece of work at a time, please.
        """
        if watcher not in self._watchers:
            self._watchers.append(watcher)
        self._wake()

    def cancel(self):
        """Cancel all calls; the server stops its work on them."""
        for job in self._jobs:
            job.cancel()

    def forget(self):
        """Cancel all calls, and apply nothing of them."""
        self.cancel()
        for job in self._jobs:
            job.drop()
        self._jobs.clear()
        self._watchers.clear()

    def close(self):
        """End the worker thread, forget everything."""
        self.forget()
        self.transport.close()

    def poll(self):
        """Advance every job by one small step.

        Returns seconds until the next poll, or None when idle.
        """
        with frame_times.tick():
            for job in list(self._jobs):
                done = job.step()
                if done is not None:
                    self._jobs.remove(job)
                    self.failed, self.message = done
            self._watchers = [watcher for watcher in self._watchers if watcher()]
            _redraw()
        if self._watchers:
            return LIVE_TICK_S
        return TICK_S if self._jobs else None

    def tell_user(self, message, *, failed=False):
        """Show a sentence in the panel."""
        self.message, self.failed = message, failed

    def add(self, job):
        self.message, self.failed = "", False
        self._jobs.append(job)
        self._wake()

    def _wake(self):
        if not bpy.app.timers.is_registered(_tick):
            bpy.app.timers.register(_tick, first_interval=LIVE_TICK_S)


class Settled(str):
    """The message of a step after which nothing is taken back: a Cancel comes too late."""

    __slots__ = ()


class Job:
    """A call, then a generator of small steps that applies its result; the last thing it yields is
    told to the user.
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
        """At its next step, unless all is settled; what it has made so far is taken back."""
        self._cancelled = True
        self.call.cancel()

    def drop(self):
        """Now, without a word."""
        if self._steps is not None:
            self._steps.close()

    def step(self):
        """One step. Returns None while there is more to do, else (failed, message)."""
        if self._steps is None:
            return self._receive()
        if self._cancelled and not isinstance(self._last, Settled):
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
def _forget_jobs(*_):
    """Another file is being opened: what was asked for belongs to the old one."""
    board.forget()


def register():
    bpy.app.handlers.load_pre.append(_forget_jobs)


def unregister():
    bpy.app.handlers.load_pre.remove(_forget_jobs)
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    board.close()
