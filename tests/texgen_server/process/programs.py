# SPDX-License-Identifier: Apache-2.0
"""Programs that run in a process of their own, and what they change there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def ran(code, *, blocked=(), environment=None):
    """The last line that a program printed, as JSON; ``blocked`` modules cannot be
    imported in it.
    """
    if environment is None:  # other tests run commands in this process, which tune it
        environment = {
            name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"
        }
    block = f"import sys\nsys.modules.update(dict.fromkeys({blocked!r}))\n" if blocked else ""
    done = subprocess.run(
        [sys.executable, "-c", block + code],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])
