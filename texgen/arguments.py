# SPDX-License-Identifier: Apache-2.0
"""Parses texts of the command line: sizes, class mixes, controls."""

from __future__ import annotations

from collections.abc import Iterable

from texgen.errors import InvalidRequestError


def parse_size(text: str) -> tuple[int, int]:
    """Convert ``"1024"`` or ``"1024x512"`` (width x height) to (width, height).

    Raises InvalidRequestError.
    """
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(p.isascii() and p.isdigit() for p in parts):
        raise InvalidRequestError(
            f"size {text!r}: give pixels as N or WIDTHxHEIGHT, such as 1024 or 1024x512", "size"
        )
    return int(parts[0]), int(parts[-1])


def parse_class_mix(text: str) -> list[tuple[str, float]]:
    """Convert ``"bark"`` or ``"brick=0.7,rock=0.3"`` to [(name, weight)].

    Raises InvalidRequestError.
    """
    mix = []
    for part in text.split(","):
        name, equals, weight = part.strip().partition("=")
        try:
            mix.append((name.strip(), float(weight) if equals else 1.0))
        except ValueError as error:
            raise InvalidRequestError(
                f"class mix {text!r}: {weight!r} is not a number; write brick=0.7,rock=0.3",
                "classes",
            ) from error
    return mix


def parse_controls(pairs: Iterable[str]) -> dict[str, float]:
    """Convert ``["relief_depth=1.5"]`` to {"relief_depth": 1.5}. Raises InvalidRequestError."""
    controls = {}
    for pair in pairs:
        name, _, value = pair.partition("=")
        try:
            controls[name.strip()] = float(value)
        except ValueError as error:
            raise InvalidRequestError(
                f"control {pair!r}: write NAME=NUMBER, such as relief_depth=1.5", "controls"
            ) from error
    return controls
