# SPDX-License-Identifier: Apache-2.0
"""Commands of the server's side: serve, token, bank, train, eval, bench.

Mounted into ``texgen`` when this package is installed.
"""

from __future__ import annotations

from texgen.commands.shared import Commands
from texgen_server.cli.bank import add_bank
from texgen_server.cli.bench import add_bench
from texgen_server.cli.evaluate import add_eval
from texgen_server.cli.serve import add_serve, add_token
from texgen_server.cli.train import add_train


def add_commands(commands: Commands) -> None:
    """Add the server's commands to the ``texgen`` command line."""
    add_serve(commands)
    add_token(commands)
    add_bank(commands)
    add_train(commands)
    add_eval(commands)
    add_bench(commands)
