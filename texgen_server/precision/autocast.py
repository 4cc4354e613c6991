# SPDX-License-Identifier: Apache-2.0
"""Says to torch what was decided: types of numbers, and contexts in which networks run."""

from __future__ import annotations

import torch

from texgen_server.precision.decision import EXACT, QUICK, decide

TYPES = {QUICK: torch.bfloat16, EXACT: torch.float32}
"""Precision -> torch's type."""


def quick(device: torch.device | str) -> torch.autocast:
    """Make the context for a forward pass in the precision that is decided for a torch device: bfloat16, or float32 as it stands."""
    kind = torch.device(device).type
    return in_precision(kind, decide("torch" if kind == "cpu" else str(device)).precision)


def exact(device: torch.device | str) -> torch.autocast:
    """Make the context for what is held in float32 on purpose, inside of `quick` too. Inputs are to be float32 already."""
    return in_precision(device, EXACT)


def in_precision(device: torch.device | str, precision: str) -> torch.autocast:
    """Make the context for a forward pass in a precision."""
    return torch.autocast(torch.device(device).type, TYPES[QUICK], enabled=precision == QUICK)
