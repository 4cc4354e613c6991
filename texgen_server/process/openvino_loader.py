# SPDX-License-Identifier: Apache-2.0
"""Loads OpenVINO without its telemetry: the only import of it.

``import openvino`` by itself sends an event to its makers, writes an id into the user's home, and
fails for a user who has no home. Where the telemetry package is not installed OpenVINO uses a stub:
so the package is hidden while OpenVINO is imported.
"""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

_TELEMETRY = "openvino_telemetry"


@cache
def load_openvino() -> tuple[Any, Any]:
    """Import OpenVINO, once. Returns its module and its operations. Raises ImportError."""
    hidden = {name: module for name, module in sys.modules.items() if name == _TELEMETRY}
    sys.modules[_TELEMETRY] = None  # type: ignore[assignment] # an import of it fails
    try:
        import openvino
        from openvino import opset13
    finally:
        del sys.modules[_TELEMETRY]
        sys.modules.update(hidden)
    return openvino, opset13
