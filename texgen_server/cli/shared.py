# SPDX-License-Identifier: Apache-2.0
"""Parts that the server's commands share: common options, and the loader of actions.

A command's parser is built at every start of ``texgen``, so modules here import neither torch nor
gRPC. What a command does lies in `texgen_server.cli.actions`; `action` loads it when the command
runs. This is the only late import of the command line.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
from collections.abc import Callable
from functools import partial
from pathlib import Path

from texgen.errors import InvalidRequestError
from texgen_server.config import default_cache_folder
from texgen_server.process.settings import tune_this_process

ACTIONS = "texgen_server.cli.actions"


def action(
    target: str, *needs: str, extra: str = "", tuned: bool = False
) -> Callable[[argparse.Namespace], int]:
    """Return what a command runs: ``"module:function"`` of `texgen_server.cli.actions`.

    The module is loaded when the command runs. ``needs`` are modules of the extra ``extra`` that it
    imports; ``tuned`` sets up the process before torch is loaded, see `tune_this_process`.
    """
    return partial(_run_action, target, needs, extra, tuned)


def _run_action(
    target: str,
    needs: tuple[str, ...],
    extra: str,
    tuned: bool,  # noqa: FBT001 - bound by `action`
    options: argparse.Namespace,
) -> int:
    require(*needs, extra=extra)
    if tuned:
        tune_this_process()
    return load_action(target)(options)


def load_action(target: str) -> Callable[[argparse.Namespace], int]:
    """Import the function that ``"module:function"`` of `texgen_server.cli.actions` names."""
    module, name = target.split(":")
    function: Callable[[argparse.Namespace], int]
    function = getattr(importlib.import_module(f"{ACTIONS}.{module}"), name)
    return function


def require(*modules: str, extra: str) -> None:
    """Raise InvalidRequestError that names the extra when a module is not installed."""
    missing = [m for m in modules if importlib.util.find_spec(m) is None]
    if missing:
        raise InvalidRequestError(
            f"this command needs {', '.join(missing)}: pip install 'texgen[{extra}]'"
        )


def cache_folder() -> Path:
    """Return the cache folder. Raises InvalidRequestError for a user who has none."""
    folder = default_cache_folder()
    if folder is None:
        raise InvalidRequestError(
            "this command keeps what it compiles, and this user has no home folder: name a "
            "folder in TEXGEN_CACHE"
        )
    return folder


def add_work(parser: argparse.ArgumentParser, default: str, contents: str) -> None:
    """Add ``--work``, the folder of a run."""
    parser.add_argument(
        "--work",
        type=Path,
        default=Path(default),
        metavar="DIR",
        help=f"{contents} (default {default})",
    )


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add ``--device`` of a training or an evaluation."""
    parser.add_argument(
        "--device",
        default="auto",
        help="auto, cpu, cuda or cuda:N; auto takes CUDA where torch sees it (default auto)",
    )


def add_models(parser: argparse.ArgumentParser) -> None:
    """Add ``--models``, the folder of installed models."""
    parser.add_argument("--models", type=Path, metavar="DIR", help="folder of models")


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add ``--json``."""
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
