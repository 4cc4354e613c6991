# SPDX-License-Identifier: Apache-2.0
"""A call of a network that waits for its device, and how calls of one shape run as a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np

from texgen.errors import CapacityError
from texgen_server.backend import Array, Backend

BATCH_BYTES = 48 << 20
"""Most input bytes of a batch: about what the largest window of a material takes alone, which a
device must hold anyway.
"""
LARGEST_BATCH = 16

Shape = tuple[int, str, tuple[tuple[int, ...], ...]]
"""Backend, part and input shapes: the same for calls that may go into one batch."""
Outcome = list[Array] | BaseException
"""Outputs of a call, or its error."""


@dataclass(eq=False)
class NetworkCall:
    """A call of one part of a network: its inputs, and the future of its outputs."""

    owner: object
    """The job that the call belongs to."""
    backend: Backend
    part: str
    inputs: list[Array]
    reuse_outputs: bool
    check: Callable[[], None]
    """Called before the network runs; raises where the job has been cancelled."""
    future: Future[list[Array]] = field(default_factory=Future)

    @property
    def shape(self) -> Shape:
        """Backend, part and input shapes; calls of one shape may go into one batch."""
        return id(self.backend), self.part, tuple(x.shape for x in self.inputs)

    @property
    def largest_batch(self) -> int:
        """Most calls of this shape that may go into one batch, by their size."""
        return min(LARGEST_BATCH, BATCH_BYTES // max(1, sum(x.nbytes for x in self.inputs)))

    def is_wanted(self) -> bool:
        """Return True if the call still has to run; else its future has the error of `check`."""
        try:
            self.check()
        except BaseException as error:  # noqa: BLE001 - it belongs to the caller
            self.future.set_exception(error)
            return False
        return True

    def run_alone(self, *, reuse_outputs: bool) -> Outcome:
        """Run the network on this call's inputs alone."""
        try:
            return self.backend.run(self.part, self.inputs, reuse_outputs=reuse_outputs)
        except MemoryError:
            return CapacityError(
                "the device is out of memory: ask for a smaller size, or try again in a moment"
            )
        except BaseException as error:  # noqa: BLE001 - it belongs to the caller
            return error

    def resolve(self, outcome: Outcome) -> None:
        """Set the result or the error of the future."""
        if isinstance(outcome, BaseException):
            self.future.set_exception(outcome)
        else:
            self.future.set_result(outcome)


def run_batch(calls: list[NetworkCall]) -> list[list[Array]]:
    """Run calls of one shape together: inputs joined along their first axis, outputs split again.

    Raises what the network raises.
    """
    first = calls[0]
    stacked = [
        np.concatenate(inputs) for inputs in zip(*(call.inputs for call in calls), strict=True)
    ]
    outputs = first.backend.run(first.part, stacked, reuse_outputs=False)
    return [
        list(pieces)
        for pieces in zip(*(np.split(output, len(calls)) for output in outputs), strict=True)
    ]


def same_bytes(outputs: list[Array], outcome: Outcome) -> bool:
    """Return True if a call's outputs from a batch equal those that it had alone."""
    return not isinstance(outcome, BaseException) and all(
        x.shape == y.shape and np.array_equal(x, y) for x, y in zip(outputs, outcome, strict=True)
    )


def fail_all(calls: Iterable[NetworkCall], error: BaseException) -> None:
    """Give the error to every call that has no outcome yet."""
    for call in calls:
        if not call.future.done():
            call.future.set_exception(error)
