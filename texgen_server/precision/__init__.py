# SPDX-License-Identifier: Apache-2.0
"""Decides which precision a network is computed in, and names that arithmetic. The only place that
knows precisions.

`cpu` reads the processor's features, `decision` decides and names, `autocast` applies the decision
in torch. Nothing here imports torch for a CPU that OpenVINO serves on.
"""

from texgen_server.precision.decision import EXACT, PRECISIONS, Arithmetic, allowed, decide

__all__ = ["EXACT", "PRECISIONS", "Arithmetic", "allowed", "decide"]
