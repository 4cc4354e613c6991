# SPDX-License-Identifier: Apache-2.0
"""Checks that the cache folder can be used.

Without one a server works, and logs once what is not kept.
"""

from __future__ import annotations

import logging
import tempfile
from functools import cache
from pathlib import Path

log = logging.getLogger("texgen.server")


@cache
def usable_folder(folder: Path | None) -> Path | None:
    """Return the folder if files can be made in it; it is made where it is not there. Else warn,
    once a process, and return None.

    ``None``: no folder is known (`config.default_cache_folder`).
    """
    if folder is None:
        why = "this user has no home folder"
    else:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return folder
        except OSError as error:
            why = f"{folder} cannot be written to: {error.strerror}"
    log.warning("nothing is kept between runs (%s); name another folder in TEXGEN_CACHE", why)
    return None
