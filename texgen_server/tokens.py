# SPDX-License-Identifier: Apache-2.0
"""Tokens: a file of names and hashes.

A client's token is compared in constant time; no token is ever written to disk.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from texgen.errors import InvalidRequestError, OutputError

PREFIX = "tgt_"
BYTES = 32
"""Random bytes of a token: enough that a plain hash cannot be reversed."""


@dataclass(frozen=True)
class Token:
    """An entry of the tokens' file: a client, and its limit."""

    name: str
    sha256: str
    max_in_flight: int = 0
    """Most requests at a time; 0: the limit of all peers."""


def hashed(token: str) -> str:
    """Hash a token: SHA-256, lower-case hex."""
    return hashlib.sha256(token.encode()).hexdigest()


def find_token(tokens: tuple[Token, ...], given: str) -> Token | None:
    """Find the entry of a token; None where there is none.

    Takes the same time for every entry, and if there is none.
    """
    digest, found = hashed(given), None
    for token in tokens:
        if hmac.compare_digest(token.sha256, digest):
            found = token
    return found


def read_tokens(path: Path) -> tuple[Token, ...]:
    """Read the ``[[token]]`` entries of a TOML file.

    Raises InvalidRequestError naming the wrong entry.
    """
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8")).get("token", [])
    except OSError as error:
        raise InvalidRequestError(
            f"cannot read the tokens {path}: {error.strerror}", "tokens_file"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidRequestError(f"{path} is not valid TOML: {error}", "tokens_file") from error
    tokens = tuple(_entry_token(path, number, entry) for number, entry in enumerate(entries, 1))
    if not tokens:
        raise InvalidRequestError(
            f"{path} holds no token: make one with 'texgen token create --file {path} --name NAME'",
            "tokens_file",
        )
    return tokens


def _entry_token(path: Path, number: int, entry: Mapping[str, Any]) -> Token:
    """Check one entry of a tokens' file. Raises InvalidRequestError."""
    try:
        token = Token(str(entry["name"]), str(entry["sha256"]), int(entry.get("max_in_flight", 0)))
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidRequestError(
            f"{path}: entry {number} needs a name and a sha256 ({error!r})", "tokens_file"
        ) from error
    if (
        len(token.sha256) != 64
        or not set(token.sha256) <= set("0123456789abcdef")
        or token.max_in_flight < 0
    ):
        raise InvalidRequestError(
            f"{path}: token {token.name!r} has no valid sha256 or limit; make one with "
            f"'texgen token create'",
            "tokens_file",
        )
    return token


def create_token(path: Path, name: str, max_in_flight: int = 0) -> str:
    """Make a random token and append its hash to a file that only its owner can read. The token is
    returned and stored nowhere.

    Raises InvalidRequestError when the name is taken or not plain, OutputError when the file cannot
    be written.
    """
    if not name or not name.replace("-", "").replace("_", "").isalnum() or not name.isascii():
        raise InvalidRequestError(f"token name {name!r}: use letters, digits, - and _", "name")
    if max_in_flight < 0:
        raise InvalidRequestError(
            f"--max-in-flight {max_in_flight}: give 0 (no limit of its own) or more",
            "max_in_flight",
        )
    if path.is_file() and any(token.name == name for token in read_tokens(path)):
        raise InvalidRequestError(
            f"{path} has a token {name!r} already: choose another name, or delete that entry first",
            "name",
        )
    token = PREFIX + secrets.token_urlsafe(BYTES)
    limit = f"max_in_flight = {max_in_flight}\n" if max_in_flight else ""
    try:
        with os.fdopen(
            os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a", encoding="utf-8"
        ) as file:
            file.write(f'[[token]]\nname = "{name}"\nsha256 = "{hashed(token)}"\n{limit}\n')
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from error
    return token
