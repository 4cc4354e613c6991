# SPDX-License-Identifier: Apache-2.0
"""``texgen serve``"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from typing import Any

from texgen_server.cli.shared import add_parser


def add_serve(commands: Any) -> None:
    """``texgen serve``"""
    parser = add_parser(commands, "serve", "Serve models over gRPC.", "texgen serve --listen 127.0.0.1:50051 --token-file token.txt")
    parser.add_argument(
        "--listen", default="127.0.0.1:50051", metavar="HOST:PORT", help="port 0 picks a free one (default 127.0.0.1:50051)"
    )
    parser.add_argument("--token-file", type=Path, metavar="F", help="ask clients for the token in this file")
    parser.add_argument("--models", type=Path, metavar="DIR", help="folder of models")
    parser.add_argument("--device", default="auto", help="auto, cpu, openvino, torch, cuda (default auto)")
    parser.add_argument("--precision", default="auto", help="auto, bf16, f32 (default auto: fixed per kind of device)")
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="CPU threads, 0 for all (default 0)")
    parser.add_argument("--max-queue", type=int, default=64, metavar="N", help="requests that may wait (default 64)")
    parser.set_defaults(run=_serve)


def _serve(options: argparse.Namespace) -> int:
    from texgen.commands.connection import read_token
    from texgen_server.config import ServerConfig, check_exposure, parse_listen
    from texgen_server.rpc.server import RunningServer, serve_forever

    host, port = parse_listen(options.listen)
    check_exposure(host)
    config = ServerConfig(
        host=host,
        port=port,
        token=read_token(options.token_file),
        models=options.models,
        device=options.device,
        precision=options.precision,
        threads=options.threads,
        max_queue=options.max_queue,
    )
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)

    def ready(server: RunningServer) -> None:
        engine = ", ".join(d.engine for d in server.engine.devices())
        sys.stdout.write(f"texgen is serving on {host}:{server.port} ({engine}); stop with Ctrl+C\n")
        sys.stdout.flush()

    serve_forever(config, ready)
    return 0
