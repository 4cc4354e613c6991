# SPDX-License-Identifier: Apache-2.0
"""Runs ``texgen bank prepare``."""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.progress import Progress

from texgen_server.training.exemplars.pack import prepare_pack, read_pack
from texgen_server.training.exemplars.sheet import write_sheets


def prepare(options: argparse.Namespace) -> int:
    """Prepare all exemplars of a data folder and, where asked for, draw them."""
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("preparing", total=None)
        for number, count, asset_id in prepare_pack(options.data, options.out, options.jobs):
            bar.update(task, completed=number, total=count, description=asset_id)
    if options.sheet is not None:
        write_sheets(read_pack(options.out), options.sheet)
    return 0
