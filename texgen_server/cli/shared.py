# SPDX-License-Identifier: Apache-2.0
"""What the server's commands share."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from texgen.errors import InvalidRequestError
from texgen_server.config import default_cache_folder


def cache_folder() -> Path:
    """Return the cache folder. Raises InvalidRequestError for a user who has none."""
    folder = default_cache_folder()
    if folder is None:
        raise InvalidRequestError(
            "this command keeps what it compiles, and this user has no home folder: name a "
            "folder in TEXGEN_CACHE"
        )
    return folder


def require(*modules: str, extra: str) -> None:
    """Raises InvalidRequestError naming the extra when a module is not installed."""
    missing = [m for m in modules if importlib.util.find_spec(m) is None]
    if missing:
        raise InvalidRequestError(
            f"this command needs {', '.join(missing)}: pip install 'texgen[{extra}]'"
        )
