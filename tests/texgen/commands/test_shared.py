# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from argparse import ArgumentParser, Namespace

import pytest

from texgen.cli import build_parser
from texgen.commands.shared import (
    add_parser,
    check_stem,
    open_client,
    progress_line,
    read_token,
    requested_encoding,
)
from texgen.errors import InvalidRequestError
from texgen.maps import Encoding


def test_a_command_ends_its_help_with_an_example():
    commands = ArgumentParser("texgen").add_subparsers()
    parser = add_parser(commands, "work", "Work.", "texgen work --hard")
    assert parser.format_help().rstrip().endswith("example:  texgen work --hard")


def test_every_command_has_an_example():
    groups = [a for a in build_parser()._actions if a.choices and a.metavar == "COMMAND"]
    for name, parser in groups[0].choices.items():
        assert f"example:  texgen {name}" in parser.epilog


@pytest.mark.parametrize("name", ["../escape", "folder/name", ".hidden"])
def test_a_name_is_a_plain_file_name(name):
    with pytest.raises(InvalidRequestError, match="plain file name"):
        check_stem(Namespace(name=name))
    check_stem(Namespace(name="wall_1"))
    check_stem(Namespace(name=None))


def test_a_token_is_the_line_of_its_file(tmp_path):
    path = tmp_path / "token"
    path.write_text("secret\n")
    assert read_token(path) == "secret"
    assert read_token(None) == ""
    path.write_text("\n")
    with pytest.raises(InvalidRequestError, match="empty"):
        read_token(path)
    with pytest.raises(InvalidRequestError, match="cannot read"):
        read_token(tmp_path / "absent")


def test_presets_get_samples():
    assert requested_encoding(Namespace(preset="unreal", format="png")) is Encoding.RAW
    assert requested_encoding(Namespace(preset="", format="exr")) is Encoding.EXR


def test_a_certificate_needs_its_key(tmp_path):
    options = Namespace(
        server="127.0.0.1:1", token_file=None, tls_ca=None, tls_cert=tmp_path / "c", tls_key=None
    )
    with pytest.raises(InvalidRequestError, match="go together"), open_client(options):
        pass


def test_nobody_watches_no_progress():
    with progress_line() as show:
        assert show is None
