# SPDX-License-Identifier: Apache-2.0
"""``texgen serve``, ``texgen token``"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from texgen_server.cli.shared import add_parser

PATHS = {
    "tokens_file": "ask clients for one of the tokens whose hashes are in this file (see "
    "'texgen token create')",
    "tls_cert": "PEM file: serve TLS with this certificate",
    "tls_key": "PEM file: its key",
    "tls_client_ca": "PEM file: clients must show a certificate that it signed",
    "models": "folder of models",
}
TEXTS = {
    "device": "auto, cpu, openvino, torch, cuda, or several: cuda:0,cuda:1 (default auto)",
    "engine": "local or ray (a cluster; takes the extra cluster) (default local)",
    "ray_address": "of a running Ray cluster, HOST:PORT or auto; without it one is started on "
    "this machine",
    "log_format": "text or json (default text)",
    "traces_endpoint": "send OpenTelemetry traces there over OTLP, such as "
    "http://127.0.0.1:4317 (takes the extra otel)",
    "precision": "auto, bf16 or f32; bf16 where the hardware has it (default auto: what texgen "
    "info tells)",
}
DEFAULT_CACHE_BYTES = 4 << 30
NUMBERS = {
    "cache_bytes": "of results kept on disk, 0 for none (default 4 GiB)",
    "threads": "CPU threads, 0 for as many as are fastest here (default 0)",
    "jobs": "at a time on each device, 0 for as many as suit its kind (default 0)",
    "ray_min_replicas": "copies of the networks that a cluster always has (default 1)",
    "ray_max_replicas": "and has at most, under load (default 4)",
    "ray_cpus": "of each replica (default 2)",
    "ray_gpus": "of each replica (default 0)",
    "models_bytes": "of networks in memory, beyond which those unused for longest go, 0 for no "
    "limit (default 0)",
    "max_queue": "requests that may wait (default 64)",
    "max_in_flight": "calls for textures at a time, of all peers (default 256)",
    "max_in_flight_per_peer": "and of one (default 64)",
    "metrics_port": "Prometheus metrics on this loopback port, 0 for none (default 0)",
}


def add_serve(commands: Any) -> None:
    """``texgen serve``"""
    parser = add_parser(
        commands,
        "serve",
        "Serve models over gRPC.",
        "texgen serve --listen 127.0.0.1:50051 --tokens-file tokens.toml",
    )
    parser.add_argument(
        "--listen", metavar="HOST:PORT", help="port 0 picks a free one (default 127.0.0.1:50051)"
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="TOML",
        help="settings; TEXGEN_* variables win over it, flags over both",
    )
    parser.add_argument(
        "--print-config",
        action="store_true",
        help="only print the settings in force, without secrets",
    )
    parser.add_argument(
        "--token-file", type=Path, metavar="F", help="ask clients for the token in this file"
    )
    for table, kind, what in ((PATHS, Path, "F"), (TEXTS, str, "NAME"), (NUMBERS, int, "N")):
        for name, text in table.items():
            parser.add_argument(f"--{name.replace('_', '-')}", type=kind, metavar=what, help=text)
    parser.set_defaults(run=_serve)


def add_token(commands: Any) -> None:
    """``texgen token create``"""
    parser = add_parser(
        commands,
        "token",
        "Make tokens for a server.",
        "texgen token create --file tokens.toml --name studio",
    )
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    create = add_parser(
        actions,
        "create",
        "Make a token; its hash is added to a file.",
        "texgen token create --file tokens.toml --name studio",
    )
    create.add_argument(
        "--file",
        type=Path,
        required=True,
        metavar="TOML",
        help="the server's --tokens-file; made when it is not there",
    )
    create.add_argument("--name", required=True, help="whose it is: in the log, and in limits")
    create.add_argument(
        "--max-in-flight",
        type=int,
        default=0,
        metavar="N",
        help="calls at a time (default: the server's)",
    )
    create.set_defaults(run=_create_token)


def _create_token(options: argparse.Namespace) -> int:
    from texgen_server.tokens import create_token

    token = create_token(options.file, options.name, options.max_in_flight)
    sys.stdout.write(f"{token}\n")
    sys.stderr.write(
        f"This is shown once; {options.file} holds its hash only. Give it to clients in a "
        f"file: --token-file.\n"
    )
    return 0


def _serve(options: argparse.Namespace) -> int:
    from texgen.commands.shared import read_token
    from texgen_server.config import load_config, parse_listen, printed
    from texgen_server.observability.logs import start_log
    from texgen_server.process.settings import tune_this_process
    from texgen_server.rpc.server import RunningServer, serve_forever

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

    def ready(server: RunningServer) -> None:
        engine = ", ".join(d.engine for d in server.engine.devices())
        how = ", TLS" if config.tls_cert else ""
        sys.stdout.write(
            f"texgen is serving on {config.host}:{server.port} ({engine}{how}); stop with Ctrl+C\n"
        )
        sys.stdout.flush()

    tune_this_process()
    serve_forever(config, ready)
    return 0
