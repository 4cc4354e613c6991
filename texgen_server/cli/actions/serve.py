# SPDX-License-Identifier: Apache-2.0
"""Runs ``texgen serve``."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from texgen.commands.shared import read_token
from texgen_server.cli.serve import DEFAULT_CACHE_BYTES, NUMBERS, PATHS, TEXTS
from texgen_server.config import load_config, parse_listen, printed
from texgen_server.observability.logs import start_log
from texgen_server.rpc.server import RunningServer, serve_forever


def serve(options: argparse.Namespace) -> int:
    """Serve until interrupted, or print the effective settings."""
    flags: dict[str, Any] = {name: getattr(options, name) for name in (*PATHS, *TEXTS, *NUMBERS)}
    if options.listen:
        flags["host"], flags["port"] = parse_listen(options.listen)
    if options.token_file:
        flags["token"] = read_token(options.token_file)
    config = load_config(options.config, flags, defaults={"cache_bytes": DEFAULT_CACHE_BYTES})
    if options.print_config:
        sys.stdout.write(printed(config))
        return 0
    start_log(config.log_format)

    def report_ready(server: RunningServer) -> None:
        engine = ", ".join(d.engine for d in server.engine.devices())
        encryption = ", TLS" if config.tls_cert else ""
        sys.stdout.write(
            f"texgen is serving on {config.host}:{server.port} ({engine}{encryption}); stop with "
            f"Ctrl+C\n"
        )
        sys.stdout.flush()

    serve_forever(config, report_ready)
    return 0
