# SPDX-License-Identifier: Apache-2.0
"""OpenVINO without its telemetry, as ``ov`` and ``ops``, for modules that always need it."""

from __future__ import annotations

from texgen_server.process.openvino_loader import load_openvino

ov, ops = load_openvino()

__all__ = ["ops", "ov"]
