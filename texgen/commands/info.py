# SPDX-License-Identifier: Apache-2.0
"""``texgen info``: shows the state of a server, or how this machine would compute."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence

from google.protobuf.json_format import MessageToDict

from texgen.commands.shared import Commands, add_connection, add_parser, open_client
from texgen.errors import InvalidRequestError
from texgen.pb import texgen_pb2 as pb


def add_info(commands: Commands) -> None:
    """Add ``texgen info``."""
    parser = add_parser(
        commands,
        "info",
        "Show the state of a server, or how this machine computes.",
        "texgen info --server 127.0.0.1:50051 --token-file token.txt --watch 2",
    )
    parser.add_argument(
        "--watch", type=float, metavar="S", help="repeat every S seconds, until Ctrl+C"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    add_connection(parser)
    parser.set_defaults(run=_info)


def _info(options: argparse.Namespace) -> int:
    if not options.server and options.watch is not None:
        raise InvalidRequestError(
            "--watch needs --server: the address of the server to watch, such as 127.0.0.1:50051",
            "server",
        )
    if options.watch is not None and (options.watch < 0.1 or options.json):
        raise InvalidRequestError(
            "--watch takes 0.1 seconds or more, and does not go with --json", "watch"
        )
    with open_client(options) as client:
        while True:
            info, models = client.server_info(), client.model_statistics()
            if options.json:
                document = {
                    "server": MessageToDict(info),
                    "models": [MessageToDict(m) for m in models],
                }
                sys.stdout.write(json.dumps(document) + "\n")
                return 0
            clear = "\x1b[2J\x1b[H" if options.watch is not None and sys.stdout.isatty() else ""
            sys.stdout.write(clear + table(info, models))
            sys.stdout.flush()
            if options.watch is None:
                return 0
            time.sleep(options.watch)


def table(info: pb.GetServerInfoResponse, models: Sequence[pb.ModelStatistics]) -> str:
    """Format the devices and the models as text."""
    lines = [f"texgen {info.version}, {info.queue_depth} waiting"]
    for d in info.devices:
        lines.append(
            f"{d.name}: {d.engine or 'no model loaded yet'}, {d.memory_used_bytes / 2**30:.2f} GiB"
        )
        if d.precision:
            threads = str(d.threads) if d.threads else "chosen when a model is loaded"
            lines.append(
                f"  precision {d.precision}, instructions {d.instructions}, CPU threads "
                f"{threads}; {d.why}"
            )
    lines.append(
        f"{'model':<16}{'loaded':>7}{'results':>9}{'cached':>8}{'failed':>8}"
        f"{'queue p50':>11}{'compute p50':>13}{'p99':>9}{'encode p50':>12}"
    )
    for m in models:
        loaded = "yes" if m.loaded else "no"
        lines.append(
            f"{m.model:<16}{loaded:>7}{m.results:>9}{m.cache_hits:>8}{m.failures:>8}"
            f"{_ms(m.queue.p50_s):>11}{_ms(m.compute.p50_s):>13}"
            f"{_ms(m.compute.p99_s):>9}{_ms(m.encode.p50_s):>12}"
        )
    return "\n".join(lines) + "\n"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
