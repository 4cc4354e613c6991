# SPDX-License-Identifier: Apache-2.0
"""How the C library keeps memory that was freed.

A texture takes a few hundred MiB for a moment, and the next one the same again. glibc gives such
memory back to the system at once, and above all that of threads; the system then hands it out anew
page by page, cleared, which took a fifth of the time of a texture of 1024 px. So the server keeps
one arena, and up to 128 MiB of what is free at its end; what is free between goes back once nothing
is asked for (`rpc.idle`).
"""

from __future__ import annotations

import ctypes
import platform

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
"""Numbers of malloc.h."""
KEPT_BYTES = 128 << 20
LARGE_BYTES = 64 << 20
"""Pieces from this size on come from the system and go back to it."""


def keep_freed_memory() -> bool:
    """For this process, from now on; before its threads begin.

    Returns whether the C library knows how to (glibc does).
    """
    if not _is_glibc():
        return False
    mallopt = ctypes.CDLL(None).mallopt
    settings = ((M_ARENA_MAX, 1), (M_MMAP_THRESHOLD, LARGE_BYTES), (M_TRIM_THRESHOLD, KEPT_BYTES))
    taken: list[bool] = [mallopt(name, value) == 1 for name, value in settings]
    return all(taken)


def give_back_freed_memory() -> bool:
    """All that is free, also between what is not; in about 10 ms for 400 MiB.

    Returns whether there was any.
    """
    return _is_glibc() and ctypes.CDLL(None).malloc_trim(0) == 1


def _is_glibc() -> bool:
    return platform.system() == "Linux" and platform.libc_ver()[0] == "glibc"
