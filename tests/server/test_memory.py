# SPDX-License-Identifier: Apache-2.0
"""Memory that was freed stays: a second piece of the same size costs no page faults."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

COUNT = """
import resource, threading, sys
import numpy as np
from texgen_server.memory import keep_freed_memory
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


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="this is glibc's")
def test_freed_memory_of_threads_is_kept():
    counts = {
        how: int(subprocess.run([sys.executable, "-c", COUNT, how], capture_output=True, text=True, timeout=60, check=True).stdout)
        for how in ("leave", "keep")
    }
    assert counts["keep"] < 0.3 * counts["leave"]
