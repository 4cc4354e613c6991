# SPDX-License-Identifier: Apache-2.0
"""The page on inputs says the rules that hold."""

from __future__ import annotations

from pathlib import Path

from texgen.inputs.reference import tables

PAGE = Path(__file__).parents[3] / "docs" / "inputs.md"


def test_the_tables_of_the_page_are_made_from_the_rules():
    assert tables() in PAGE.read_text(encoding="utf-8"), "python -m texgen.inputs.reference"
