# SPDX-License-Identifier: Apache-2.0
"""Commands load what they run when they run, and all of it is there."""

from __future__ import annotations

import argparse
import subprocess
import sys

import pytest

from texgen.errors import InvalidRequestError
from texgen_server.cli import add_commands
from texgen_server.cli.shared import load_action, require

HELP = """
import sys
from texgen.cli import main
try:
    main(["train", "material", "--help"])
except SystemExit:
    pass
heavy = {"torch", "grpc", "scipy", "rich", "openvino"} & set(sys.modules)
assert not heavy, heavy
"""


def commands(parser):
    """Yield all commands below a parser that run something."""
    groups = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    for group in groups:
        for command in group.choices.values():
            yield from commands(command)
    if not groups:
        yield parser


@pytest.fixture
def leaves():
    parser = argparse.ArgumentParser()
    add_commands(parser.add_subparsers())
    return list(commands(parser))


def test_help_loads_no_library_of_the_server():
    subprocess.run([sys.executable, "-c", HELP], check=True, capture_output=True)


@pytest.mark.torch
def test_every_command_has_an_action(leaves):
    assert len(leaves) == 20
    for leaf in leaves:
        assert callable(load_action(leaf.get_default("run").args[0])), leaf.prog


def test_every_help_ends_in_an_example_that_names_no_path_of_one_machine(leaves):
    for leaf in leaves:
        assert leaf.epilog.startswith(f"example:  texgen {leaf.prog.split(' ', 1)[1]}")
        assert "../" not in leaf.format_help()


@pytest.mark.parametrize("group", ["train", "eval"])
def test_every_training_and_evaluation_takes_a_device(leaves, group):
    for leaf in leaves:
        if f" {group} " in leaf.prog and not leaf.prog.endswith("curves"):
            assert "--device" in leaf.format_help(), leaf.prog


def test_a_missing_module_names_its_extra():
    with pytest.raises(InvalidRequestError, match=r"no_such_module.*texgen\[train\]"):
        require("no_such_module", extra="train")
