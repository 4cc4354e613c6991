# SPDX-License-Identifier: Apache-2.0
"""Imports OpenVINO without its telemetry. All other modules import ``ov`` and ``ops`` from here.

``import openvino`` by itself sends an event to its makers, writes an id into the user's home, and
fails for a user who has no home. Where the telemetry package is not installed OpenVINO uses a stub:
so the package is hidden while OpenVINO is imported.
"""

from __future__ import annotations

import sys

_TELEMETRY = "openvino_telemetry"
_hidden = {name: module for name, module in sys.modules.items() if name == _TELEMETRY}
sys.modules[_TELEMETRY] = None  # type: ignore[assignment] # an import of it fails
try:
    import openvino as ov
    from openvino import opset13 as ops
finally:
    del sys.modules[_TELEMETRY]
    sys.modules.update(_hidden)

__all__ = ["ops", "ov"]
