# SPDX-License-Identifier: Apache-2.0
"""Functions that all commands share: parsers with examples, the connection, the progress line,
writing results.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from texgen.errors import InvalidRequestError, NotFoundError
from texgen.export.preset import load_preset
from texgen.files.document import Sidecar
from texgen.files.material import material_contents, sealed_contents, write_files
from texgen.maps import Encoding, Material
from texgen.provenance.signing import Signer, requested_signer
from texgen.provenance.watermark import with_watermark
from texgen.render.preview import lit_tiled_png

if TYPE_CHECKING:
    from texgen.client import Client
    from texgen.wire.assembly import OnProgress, Progress

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""The object to which commands add their parsers, as ``add_subparsers`` returns it."""


def add_parser(
    commands: Commands, name: str, description: str, example: str
) -> argparse.ArgumentParser:
    """Add a command whose help ends in an example."""
    return commands.add_parser(
        name,
        help=description,
        description=description,
        epilog=f"example:  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_connection(parser: argparse.ArgumentParser) -> None:
    """Add the options of every command that calls a server."""
    group = parser.add_argument_group(
        "server", "without --server one is started inside this command, on a free loopback port"
    )
    group.add_argument("--server", metavar="HOST:PORT")
    group.add_argument("--token-file", type=Path, metavar="F", help="file with the server's token")
    group.add_argument(
        "--tls-ca", type=Path, metavar="F", help="PEM file: connect with TLS and trust it"
    )
    group.add_argument(
        "--tls-cert",
        type=Path,
        metavar="F",
        help="PEM file: client certificate, for a server that requires one",
    )
    group.add_argument("--tls-key", type=Path, metavar="F", help="PEM file: its key")
    group.add_argument(
        "--models",
        type=Path,
        metavar="DIR",
        help="folder of models for the server inside this command",
    )
    group.add_argument(
        "--device",
        default="auto",
        help="device for the server inside this command: auto, cpu, openvino, torch, cuda",
    )


def add_output(parser: argparse.ArgumentParser) -> None:
    """Add the options of every command that writes textures."""
    parser.add_argument(
        "--format",
        choices=[str(e) for e in Encoding],
        default="png",
        help="format of the map files (default png)",
    )
    parser.add_argument(
        "--preset",
        default="",
        metavar="NAME|TOML",
        help="pack the files for an engine; see 'texgen export --help'",
    )
    parser.add_argument(
        "--preview", action="store_true", help="also write <stem>_preview.png, lit and tiled 2 x 2"
    )
    parser.add_argument(
        "--watermark",
        action="store_true",
        help="embed an invisible watermark in the basecolor, which 'texgen verify' finds",
    )
    add_signing(parser)
    add_files(parser, "material")


def add_files(parser: argparse.ArgumentParser, model: str) -> None:
    """Add the options of every command that generates files; ``model`` is the default model."""
    parser.add_argument("--model", default="", metavar="ID", help=f"default: {model}")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="folder for the files (default: the current one)",
    )
    parser.add_argument(
        "--name", metavar="STEM", help="file names start with this (default: class and seed)"
    )
    parser.add_argument("--force", action="store_true", help="overwrite existing files")
    parser.add_argument(
        "--json", action="store_true", help="one JSON object on stdout, progress on stderr"
    )
    add_connection(parser)


def add_signing(parser: argparse.ArgumentParser) -> None:
    """Add the options of every command that can sign the files it writes."""
    parser.add_argument(
        "--sign",
        type=Path,
        metavar="PEM",
        help="sign each file (C2PA) with this certificate; default: $TEXGEN_SIGN_CERT",
    )
    parser.add_argument(
        "--sign-key",
        type=Path,
        metavar="PEM",
        help="its key; default: $TEXGEN_SIGN_KEY, else in the certificate's file",
    )


def load_signer(options: argparse.Namespace) -> Signer | None:
    """Return the signer that `add_signing` configures, or None.

    Raises InvalidRequestError for a certificate that cannot sign.
    """
    return requested_signer(options.sign, options.sign_key, getattr(options, "models", None))


def check_output_options(options: argparse.Namespace) -> None:
    """Refuse options of `add_output` that contradict each other, before any work.

    Raises InvalidRequestError.
    """
    if options.preview and options.format != "png":
        raise InvalidRequestError("--preview goes with --format png", "preview")
    if options.preset:
        load_preset(options.preset)
        if options.format != "png":
            raise InvalidRequestError(
                "--preset says the format of each file: --format does not go with it", "preset"
            )
    if options.watermark and (options.format != "png" or getattr(options, "window", None)):
        raise InvalidRequestError(
            "--watermark goes with whole tiles of 8 bits: without --window, and with --format "
            "png or a --preset",
            "watermark",
        )
    load_signer(options)
    check_stem(options)


def requested_encoding(options: argparse.Namespace) -> Encoding:
    """Return the encoding to request: raw samples where a preset packs them again."""
    return Encoding.RAW if options.preset else Encoding(options.format)


def check_stem(options: argparse.Namespace) -> None:
    """Refuse a ``--name`` that is no plain file name. Raises InvalidRequestError."""
    if options.name and (options.name != Path(options.name).name or options.name.startswith(".")):
        raise InvalidRequestError(
            f"--name {options.name!r}: give a plain file name without folders", "name"
        )


def read_file(path: Path, what: str) -> bytes:
    """Read a file that the user named. Raises InvalidRequestError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidRequestError(
            f"cannot read the {what} {path}: {error.strerror}", what
        ) from error


def read_token(path: Path | None) -> str:
    """Read a token file, without the line's end; None gives no token.

    Raises InvalidRequestError.
    """
    if path is None:
        return ""
    try:
        token = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise InvalidRequestError(
            f"cannot read the token file {path}: {error.strerror}", "token_file"
        ) from error
    if not token or not token.isascii():
        raise InvalidRequestError(
            f"the token file {path} is empty or not plain ASCII", "token_file"
        )
    return token


@contextlib.contextmanager
def open_client(options: argparse.Namespace) -> Iterator[Client]:
    """Connect to ``--server``, or to a server that is started inside this process.

    gRPC and the server are loaded here, so that commands without a connection start fast.
    """
    from texgen.client import Client

    if options.server:
        if bool(options.tls_cert) != bool(options.tls_key):
            raise InvalidRequestError("--tls-cert and --tls-key go together", "tls")
        pair = (options.tls_cert, options.tls_key) if options.tls_cert else None
        with Client(
            options.server, read_token(options.token_file), options.tls_ca, tls_pair=pair
        ) as client:
            yield client
        return
    if not importlib.util.find_spec("texgen_server") or not importlib.util.find_spec("grpc_health"):
        raise NotFoundError(
            "no server is installed here: pip install 'texgen[server]', or pass --server HOST:PORT"
        )
    from texgen_server.config import ServerConfig
    from texgen_server.process.settings import tune_this_process
    from texgen_server.rpc.server import EmbeddedServer

    tune_this_process()
    config = ServerConfig(port=0, models=options.models, device=options.device, grace_s=0.0)
    with EmbeddedServer(config) as server, Client(server.address) as client:
        yield client


@contextlib.contextmanager
def progress_line() -> Iterator[OnProgress | None]:
    """Show a progress line on stderr if that is a terminal; else yield None."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("generating", total=1.0)

        def show(progress: Progress) -> None:
            bar.update(task, completed=progress.fraction, description=progress.stage)

        yield show


def save_material(options: argparse.Namespace, material: Material, stem: str) -> Sidecar:
    """Write the files of a result, print their paths, return its entry for ``--json``."""
    if options.watermark:
        material = with_watermark(material)
    contents, sidecar = material_contents(material, stem, options.preset)
    if options.preview:
        contents[f"{stem}_preview.png"] = lit_tiled_png(material, 1 if material.window_px else 2)
    sealed = sealed_contents(contents, sidecar, stem, load_signer(options))
    paths = write_files(sealed, options.out, force=options.force)
    print_paths(options, paths)
    return sidecar | {"paths": [str(p) for p in paths]}


def print_paths(options: argparse.Namespace, paths: Sequence[Path]) -> None:
    """Print the paths of the files that were written, unless ``--json`` is given."""
    if not options.json:
        sys.stdout.write("".join(f"{p}\n" for p in paths))


def print_sets(options: argparse.Namespace, sets: Sequence[Mapping[str, Any]]) -> int:
    """Print one JSON object of all sets if ``--json`` is given; return the exit code 0."""
    if options.json:
        sys.stdout.write(json.dumps({"sets": sets}) + "\n")
    return 0
