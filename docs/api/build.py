# SPDX-License-Identifier: Apache-2.0
"""Builds the API reference of the SDK from its docstrings with pdoc; a warning is an error.

Run ``python docs/api/build.py FOLDER``, or ``make api``, which writes to ``.cache/api``.
"""

from __future__ import annotations

import argparse
import pkgutil
import sys
import warnings
from pathlib import Path

import pdoc
import pdoc.render

import texgen

HERE = Path(__file__).resolve().parent
LEFT_OUT = ("texgen.pb", "texgen.commands", "texgen.cli", "texgen.__main__", "texgen._version")
"""Generated code and the command line."""


def main(arguments: list[str] | None = None) -> int:
    """Build the pages and print the path of the first one."""
    parser = argparse.ArgumentParser(description="Build the API reference of the SDK.")
    parser.add_argument("folder", type=Path, help="where the HTML pages go")
    options = parser.parse_args(arguments)
    build(options.folder)
    sys.stdout.write(f"{options.folder / 'texgen.html'}\n")
    return 0


def build(folder: Path) -> None:
    """Write the pages. Raises Warning for what pdoc cannot resolve."""
    # pdoc looks into the module's dictionary, where lazily loaded names are absent
    for name in texgen.__all__:
        vars(texgen)[name] = getattr(texgen, name)
    pdoc.render.configure(
        docformat="google",
        template_directory=HERE,
        show_source=False,
        footer_text=f"texgen {texgen.__version__}",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pdoc.pdoc(*modules(), output_directory=folder)


def modules() -> list[str]:
    """Return the names of the modules of the SDK; pdoc adds those inside packages."""
    found = pkgutil.iter_modules(texgen.__path__, "texgen.")
    return ["texgen", *(m.name for m in found if m.name not in LEFT_OUT)]


if __name__ == "__main__":
    raise SystemExit(main())
