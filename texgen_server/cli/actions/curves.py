# SPDX-License-Identifier: Apache-2.0
"""Runs ``texgen train curves``."""

from __future__ import annotations

import argparse

from texgen_server.training.curves import draw_curves


def draw(options: argparse.Namespace) -> int:
    """Draw the losses of several runs into one picture."""
    draw_curves({run.name: run / "log.jsonl" for run in options.runs}, options.out)
    return 0
