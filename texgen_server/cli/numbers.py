# SPDX-License-Identifier: Apache-2.0
"""Numbers in options of the benches."""

from __future__ import annotations

from texgen.errors import InvalidRequestError

SIZE_MULTIPLE_PX = 32


def parse_numbers(text: str, option: str, multiple: int) -> tuple[int, ...]:
    """Parse positive numbers separated by commas, multiples of ``multiple``.

    Raises InvalidRequestError that names the option.
    """
    parts = text.split(",")
    if not all(p.isdigit() and int(p) and int(p) % multiple == 0 for p in parts):
        raise InvalidRequestError(
            f"--{option} {text!r}: write multiples of {multiple}, such as "
            f"{256 if multiple > 1 else 1},{512 if multiple > 1 else 8}",
            option,
        )
    return tuple(map(int, parts))
