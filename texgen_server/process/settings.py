# SPDX-License-Identifier: Apache-2.0
"""Settings of a whole process that make serving faster.

Only a process of our own is changed: a command, a replica. Never a program that uses the SDK, or
that embeds a server or an engine.
"""

from __future__ import annotations

import os

from threadpoolctl import threadpool_limits

from texgen_server.process.memory import keep_freed_memory


def tune_this_process() -> None:
    """Keep freed memory, give numpy's products of matrices one thread, and let torch's threads
    sleep while they wait. To be called before threads begin.

    Our products are small, and the threads of a BLAS wait for the next one by spinning, on the
    cores that the networks need: a set of bricks of 256 px takes 34 ms on two cores instead of 58.
    No byte of a result depends on it.

    torch's own threads (OpenMP) spin likewise, and wait for each other at every layer: on two cores
    of which one was busy otherwise, 20 steps of a capture took 57 s, and 19 s with sleeping
    threads. The variable is read when torch is loaded; a value that is set already is kept.
    """
    keep_freed_memory()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    threadpool_limits(limits=1, user_api="blas")
