# SPDX-License-Identifier: Apache-2.0
"""Decides which numbers a network is computed with, and names that arithmetic. The only place that knows precisions.

`cpu` reads what the processor says, `decision` decides and names, `autocast` says the same to torch and is the only file here that imports it.
"""

from texgen_server.precision.decision import EXACT, PRECISIONS, Arithmetic, allowed, decide

__all__ = ["EXACT", "PRECISIONS", "Arithmetic", "allowed", "decide"]
