# SPDX-License-Identifier: Apache-2.0
"""Tokens: shown once, kept as hashes, compared in constant time."""

from __future__ import annotations

import hmac
import os
import stat

import pytest

from texgen.cli import main
from texgen.errors import (
    InvalidRequestError,
)
from texgen_server.tokens import Token, create_token, find_token, hashed, read_tokens


def test_a_token_is_shown_once_and_kept_as_a_hash(tmp_path, capsys):
    path = tmp_path / "tokens.toml"
    assert (
        main(["token", "create", "--file", str(path), "--name", "studio", "--max-in-flight", "2"])
        == 0
    )
    token = capsys.readouterr().out.strip()
    other = create_token(path, "farm")
    assert token not in path.read_text()
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    tokens = read_tokens(path)
    assert [(t.name, t.max_in_flight) for t in tokens] == [("studio", 2), ("farm", 0)]
    assert (find_token(tokens, token).name, find_token(tokens, other).name) == ("studio", "farm")
    assert find_token(tokens, token[:-1]) is None
    with pytest.raises(InvalidRequestError, match="already"):
        create_token(path, "studio")
    with pytest.raises(InvalidRequestError, match="letters"):
        create_token(path, 'x"]\n')


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no token"),
        ("[[token]]\nname = 'a'", "sha256"),
        ("[[token]]\nname = 'a'\nsha256 = 'plain'", "texgen token create"),
        ("token = [", "not valid TOML"),
    ],
)
def test_a_broken_token_file_is_refused(tmp_path, text, said):
    (tmp_path / "tokens.toml").write_text(text)
    with pytest.raises(InvalidRequestError, match=said):
        read_tokens(tmp_path / "tokens.toml")


def test_tokens_are_compared_in_constant_time_all_of_them(monkeypatch):
    compared = []
    real = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: compared.append(a) or real(a, b))
    tokens = tuple(Token(name, hashed(name)) for name in ("first", "second", "third"))
    for given in ("first", "third", "none"):
        find_token(tokens, given)
    assert len(compared) == 3 * len(tokens)
