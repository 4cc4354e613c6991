# SPDX-License-Identifier: Apache-2.0
"""Decides which numbers a network is computed with, and names that arithmetic. The only place that
knows precisions.

`cpu` reads what the processor says, `decision` decides and names, `autocast` says the same to
torch. Nobody here imports torch for a CPU that OpenVINO serves on.
"""

from texgen_server.precision.decision import EXACT, PRECISIONS, Arithmetic, allowed, decide

__all__ = ["EXACT", "PRECISIONS", "Arithmetic", "allowed", "decide"]
