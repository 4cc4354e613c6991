# SPDX-License-Identifier: Apache-2.0
"""Runs ``texgen bank build``."""

from __future__ import annotations

import argparse
import sys

from texgen_server.training.codec.bank import build_bank
from texgen_server.training.codec.weights import read_codec
from texgen_server.training.exemplars.families import read_layouts
from texgen_server.training.exemplars.pack import read_pack
from texgen_server.training.exemplars.split import read_validation


def build(options: argparse.Namespace) -> int:
    """Encode a pack with a codec into a bank file; prints its figures."""
    figures = build_bank(
        read_codec(options.codec),
        read_pack(options.pack),
        read_layouts(options.data / "families.csv"),
        options.out,
        without=read_validation() if options.held_out else set(),
        budget=int(options.megabytes * 2**20),
    )
    sys.stdout.write("".join(f"{key} {value}\n" for key, value in figures.items()))
    return 0
