# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re

import pytest

from texgen import errors
from texgen.cli import main
from texgen.errors import InvalidRequestError, TexgenError

TREE = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, TexgenError)]


def test_every_error_has_an_exit_code_of_its_own():
    codes = [error.exit_code for error in TREE]
    assert len(set(codes)) == len(codes)
    assert sorted(codes) == list(range(1, len(codes) + 1))


def test_the_table_in_the_documentation_names_every_error_and_its_code():
    rows = re.findall(r"^\| `(\w+)` \|.*\| (\d+) \|$", errors.__doc__, re.MULTILINE)
    assert {name: int(code) for name, code in rows} == {e.__name__: e.exit_code for e in TREE}


def test_an_invalid_request_names_its_field():
    assert InvalidRequestError("seed -1: give 0 or more", "seed").field == "seed"
    assert InvalidRequestError("no class given").field == ""


@pytest.mark.parametrize("error", TREE, ids=lambda error: error.__name__)
def test_a_command_ends_with_the_code_of_its_error(error, monkeypatch, capsys):
    def fail(_options):
        raise error("why it failed")

    monkeypatch.setattr("texgen.commands.models._models_list", fail)
    assert main(["models", "list"]) == error.exit_code
    assert capsys.readouterr().err == "texgen: why it failed\n"
