# SPDX-License-Identifier: Apache-2.0
"""OpenVINO without its telemetry."""

from __future__ import annotations

import os

from tests.texgen_server.process.programs import ran


def test_openvino_tells_nobody_that_it_is_used(tmp_path):
    """As it comes, importing it sends an event and writes an id into the home folder,
    except in CI.
    """
    code = """
import json, sys
import openvino_telemetry as ours
from texgen_server.process.quiet_openvino import ov
told = sys.modules["openvino.tools.ovc.telemetry_utils"].tm.__name__
print(json.dumps([told, sys.modules["openvino_telemetry"] is ours]))
"""
    environment = {k: v for k, v in os.environ.items() if k != "CI"} | {"HOME": str(tmp_path)}
    assert ran(code, environment=environment) == ["openvino.tools.ovc.telemetry_stub", True]
    assert list(tmp_path.iterdir()) == []
