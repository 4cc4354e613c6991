# SPDX-License-Identifier: Apache-2.0
"""Runs ``texgen token create``."""

from __future__ import annotations

import argparse
import sys

from texgen_server.tokens import create_token


def create(options: argparse.Namespace) -> int:
    """Create a token and print it, once."""
    token = create_token(options.file, options.name, options.max_in_flight)
    sys.stdout.write(f"{token}\n")
    sys.stderr.write(
        f"This is shown once; {options.file} holds its hash only. Give it to clients in a "
        f"file: --token-file.\n"
    )
    return 0
