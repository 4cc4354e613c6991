# SPDX-License-Identifier: Apache-2.0
"""Memory that was freed stays while it is of use: a second piece of the same size costs no page
faults; refused uploads are let go at once."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

COUNT = """
import resource, threading, sys
import numpy as np
from texgen_server.process.memory import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        np.empty(3 << 20, np.uint8)[::4096] = 1
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
np.empty(3 << 20, np.uint8)[::4096] = 1
thread = threading.Thread(target=faults)
thread.start()
thread.join()
"""


BETWEEN = """
import numpy as np
from texgen_server.process.memory import give_back_freed_memory, keep_freed_memory
def held():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 >> 20
assert keep_freed_memory()
pieces = [np.ones(3 << 20, np.uint8) for _ in range(100)]
kept = pieces[::10]
del pieces
before = held()
assert give_back_freed_memory()
print(before - held())
"""


NEEDS_GLIBC = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="this is glibc's")


def printed(script, *arguments):
    return int(
        subprocess.run(
            [sys.executable, "-c", script, *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout
    )


@NEEDS_GLIBC
def test_what_is_free_between_goes_back_too():
    assert printed(BETWEEN) > 200


@NEEDS_GLIBC
def test_freed_memory_of_threads_is_kept():
    counts = {how: printed(COUNT, how) for how in ("leave", "keep")}
    assert counts["keep"] < 0.3 * counts["leave"]
