# SPDX-License-Identifier: Apache-2.0
"""The ``texgen`` command. Only it and `texgen.commands` print.

Exit codes: 0 done; 1 unexpected; 2 bad input; 3 no such model or file; 4 a model cannot be loaded;
5 server full; 6 cancelled; 7 no server; 8 token refused; 9 output cannot be written; 10 some sets
of a batch failed; 11 textures that were checked have problems.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys

from texgen._version import __version__
from texgen.commands.batch import add_batch
from texgen.commands.capture import add_capture
from texgen.commands.check import add_check
from texgen.commands.dataset import add_dataset
from texgen.commands.environment import add_environment
from texgen.commands.export import add_export
from texgen.commands.gallery import add_gallery
from texgen.commands.generate import add_generate
from texgen.commands.info import add_info
from texgen.commands.mix import add_mix
from texgen.commands.models import add_models
from texgen.commands.recipe import add_recipe
from texgen.commands.repair import add_repair
from texgen.commands.upscale import add_upscale
from texgen.commands.vary import add_vary
from texgen.commands.verify import add_certificate, add_verify
from texgen.errors import TexgenError

EXIT_INTERRUPTED = 6


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code.

    gRPC's support of forks is switched off for the process, as it would warn about subprocesses.
    """
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    parser = build_parser()
    options = parser.parse_args(arguments)
    try:
        code: int = options.run(options)
    except TexgenError as error:
        if getattr(options, "json", False):
            sys.stdout.write(
                json.dumps({"error": {"kind": type(error).__name__, "message": str(error)}}) + "\n"
            )
        sys.stderr.write(f"texgen: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("texgen: interrupted\n")
        return EXIT_INTERRUPTED
    return code


def build_parser() -> argparse.ArgumentParser:
    """Return the whole command line, with the server's commands where that package is installed."""
    parser = argparse.ArgumentParser(
        "texgen",
        description="Tileable PBR materials from a GAN.",
        epilog="example:  texgen generate --class bark --seed 7 --out textures",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"texgen {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    add_generate(commands)
    add_vary(commands)
    add_mix(commands)
    add_capture(commands)
    add_upscale(commands)
    add_repair(commands)
    add_environment(commands)
    add_batch(commands)
    add_export(commands)
    add_check(commands)
    add_gallery(commands)
    add_verify(commands)
    add_certificate(commands)
    add_dataset(commands)
    add_recipe(commands)
    add_info(commands)
    add_models(commands)
    if importlib.util.find_spec("texgen_server"):
        from texgen_server.cli import add_commands

        add_commands(commands)
    return parser
