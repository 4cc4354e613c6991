# SPDX-License-Identifier: Apache-2.0
"""The door to captures: torch is imported here, when the first photograph comes."""

from __future__ import annotations

from texgen_server.capture.options import CaptureFunction
from texgen_server.registry import MaterialModel


def load_capture(model: MaterialModel) -> CaptureFunction:
    """Load the networks of a capture and return the function that uses them."""
    # Door: a server without the extra `capture` has no torch, and importing it takes seconds.
    from texgen_server.capture import search

    return search.load(model)
