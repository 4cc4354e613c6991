# SPDX-License-Identifier: Apache-2.0
"""Parsers of ``texgen serve`` and ``texgen token``."""

from __future__ import annotations

from pathlib import Path

from texgen.commands.shared import Commands, add_parser
from texgen_server.cli.shared import action

PATHS = {
    "tokens_file": "require one of the tokens whose hashes are in this file (see "
    "'texgen token create')",
    "tls_cert": "PEM file: serve TLS with this certificate",
    "tls_key": "PEM file: its key",
    "tls_client_ca": "PEM file: clients must show a certificate that it signed",
    "models": "folder of models",
}
TEXTS = {
    "device": "auto, cpu, openvino, torch, cuda, or several: cuda:0,cuda:1 (default auto)",
    "engine": "local or ray (a cluster; takes the extra cluster) (default local)",
    "ray_address": "address of a running Ray cluster, HOST:PORT or auto; without it one is started "
    "on this machine",
    "log_format": "text or json (default text)",
    "traces_endpoint": "send OpenTelemetry traces there over OTLP, such as "
    "http://127.0.0.1:4317 (takes the extra otel)",
    "precision": "auto, bf16 or f32; auto takes bf16 where the hardware has it, see texgen info "
    "(default auto)",
}
DEFAULT_CACHE_BYTES = 4 << 30
NUMBERS = {
    "cache_bytes": "bytes of results kept on disk, 0 for none (default 4 GiB)",
    "threads": "CPU threads, 0 for as many as are fastest here (default 0)",
    "jobs": "jobs at a time on each device, 0 for as many as suit its kind (default 0)",
    "ray_min_replicas": "least number of copies of the networks in a cluster (default 1)",
    "ray_max_replicas": "largest number of copies, under load (default 4)",
    "ray_cpus": "CPUs of each replica (default 2)",
    "ray_gpus": "GPUs of each replica (default 0)",
    "models_bytes": "bytes of networks in memory, beyond which the least recently used are "
    "unloaded, 0 for no limit (default 0)",
    "max_queue": "requests that may wait (default 64)",
    "max_in_flight": "calls for textures at a time, over all peers (default 256)",
    "max_in_flight_per_peer": "calls for textures at a time of one peer (default 64)",
    "metrics_port": "Prometheus metrics on this loopback port, 0 for none (default 0)",
}


def add_serve(commands: Commands) -> None:
    """Add ``texgen serve``."""
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
        help="settings file; TEXGEN_* variables take precedence over it, flags over both",
    )
    parser.add_argument(
        "--print-config",
        action="store_true",
        help="only print the effective settings, without secrets",
    )
    parser.add_argument(
        "--token-file", type=Path, metavar="F", help="require the token in this file"
    )
    for table, kind, what in ((PATHS, Path, "F"), (TEXTS, str, "NAME"), (NUMBERS, int, "N")):
        for name, text in table.items():
            parser.add_argument(f"--{name.replace('_', '-')}", type=kind, metavar=what, help=text)
    parser.set_defaults(run=action("serve:serve", tuned=True))


def add_token(commands: Commands) -> None:
    """Add ``texgen token create``."""
    parser = add_parser(
        commands,
        "token",
        "Create tokens for a server.",
        "texgen token create --file tokens.toml --name studio",
    )
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    create = add_parser(
        actions,
        "create",
        "Create a token and add its hash to a file.",
        "texgen token create --file tokens.toml --name studio",
    )
    create.add_argument(
        "--file",
        type=Path,
        required=True,
        metavar="TOML",
        help="the server's --tokens-file; created when it is missing",
    )
    create.add_argument("--name", required=True, help="name of its owner in the log and in limits")
    create.add_argument(
        "--max-in-flight",
        type=int,
        default=0,
        metavar="N",
        help="calls at a time (default: the server's)",
    )
    create.set_defaults(run=action("token:create"))
