# SPDX-License-Identifier: Apache-2.0
"""The ``texgen`` command. The only module that prints.

Exit codes: 0 done; 1 unexpected; 2 bad input; 3 no such model or file; 4 a model cannot be loaded; 5 server full; 6 cancelled;
7 no server; 8 token refused; 9 output cannot be written.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from texgen._version import __version__
from texgen.errors import InvalidRequestError, NotFoundError, TexgenError
from texgen.maps import Encoding
from texgen.modelcard import ModelCard, find_card, list_cards
from texgen.recipe import parse_class_mix, parse_controls, parse_size

EXIT_INTERRUPTED = 6


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    try:
        code: int = options.run(options)
    except TexgenError as error:
        if getattr(options, "json", False):
            sys.stdout.write(json.dumps({"error": {"kind": type(error).__name__, "message": str(error)}}) + "\n")
        sys.stderr.write(f"texgen: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("texgen: interrupted\n")
        return EXIT_INTERRUPTED
    return code


def build_parser() -> Any:
    """The whole command line; server commands are mounted when the server's extra is installed."""
    parser = _parser(
        argparse.ArgumentParser, "Tileable PBR materials from a GAN.", "texgen generate --class bark --seed 7 --out textures", "texgen"
    )
    parser.add_argument("--version", action="version", version=f"texgen {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_generate(commands)
    _add_models(commands)
    if importlib.util.find_spec("texgen_server"):
        from texgen_server.cli import add_commands

        add_commands(commands)
    return parser


def _parser(make: Any, description: str, example: str, *names: str) -> Any:
    keywords = {"help": description} if make is not argparse.ArgumentParser else {}
    return make(
        *names, description=description, epilog=f"example:  {example}", formatter_class=argparse.RawDescriptionHelpFormatter, **keywords
    )


def _add_generate(commands: Any) -> None:
    parser = _parser(
        commands.add_parser,
        "Generate materials and write their maps.",
        "texgen generate --class brick=0.7,rock=0.3 --seed 7 --size 1024x512 --control relief_depth=1.5 --out textures",
        "generate",
    )
    parser.add_argument("--class", dest="classes", metavar="MIX", help="a class, or a mix such as brick=0.7,rock=0.3")
    parser.add_argument("--seed", type=int, help="a whole number; without it one is chosen and told")
    parser.add_argument("--size", metavar="N|WxH", help="pixels, multiples of 32 (default 1024)")
    parser.add_argument(
        "--control", action="append", default=[], metavar="NAME=VALUE", help="repeatable; see 'texgen models show material'"
    )
    parser.add_argument("--psi", type=float, help="truncation: 0 is the class's average, 1 its variety (default 1)")
    parser.add_argument("--count", type=int, default=1, metavar="N", help="this many, with seeds counting up (default 1)")
    parser.add_argument("--recipe", metavar="TEXT|SIDECAR", help="a recipe, or a sidecar that holds one, instead of class and seed")
    parser.add_argument("--format", choices=[str(e) for e in Encoding], default="png", help="of the map files (default png)")
    parser.add_argument("--model", default="", metavar="ID", help="default: material")
    parser.add_argument("--out", type=Path, default=Path(), metavar="DIR", help="where the files go (default: here)")
    parser.add_argument("--force", action="store_true", help="overwrite existing files")
    parser.add_argument("--preview", action="store_true", help="also write <stem>_preview.png, lit and tiled 2 x 2")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout, progress on stderr")
    _add_connection(parser)
    parser.set_defaults(run=_generate)


def _add_connection(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("server", "without --server one is started inside this command, on a free loopback port")
    group.add_argument("--server", metavar="HOST:PORT")
    group.add_argument("--token-file", type=Path, metavar="F", help="file with the server's token")
    group.add_argument("--tls-ca", type=Path, metavar="F", help="PEM file: connect with TLS and trust it")
    group.add_argument("--models", type=Path, metavar="DIR", help="folder of models for the server inside this command")
    group.add_argument("--device", default="auto", help="device for the server inside this command: auto, cpu, openvino, torch, cuda")


def _add_models(commands: Any) -> None:
    parser = _parser(commands.add_parser, "Show the models that are installed.", "texgen models show material", "models")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    for name, description, run in (("list", "List the models.", _models_list), ("show", "Show one model's data sheet.", _models_show)):
        action = _parser(actions.add_parser, description, f"texgen models {name}{' material' if name == 'show' else ''}", name)
        if name == "show":
            action.add_argument("model", metavar="ID")
        action.add_argument("--models", type=Path, metavar="DIR", help="folder of models")
        action.add_argument("--json", action="store_true", help="one JSON object on stdout")
        action.set_defaults(run=run)


def read_token(path: Path | None) -> str:
    """The token in a file, without the line's end. Raises InvalidRequestError."""
    if path is None:
        return ""
    try:
        token = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise InvalidRequestError(f"cannot read the token file {path}: {error.strerror}", "token_file") from error
    if not token or not token.isascii():
        raise InvalidRequestError(f"the token file {path} is empty or not plain ASCII", "token_file")
    return token


@contextlib.contextmanager
def _client(options: argparse.Namespace) -> Iterator[Any]:
    """A client of ``--server``, or of a server started inside this process."""
    from texgen.client import Client

    if options.server:
        with Client(options.server, read_token(options.token_file), options.tls_ca) as client:
            yield client
        return
    if not importlib.util.find_spec("texgen_server") or not importlib.util.find_spec("grpc_health"):
        raise NotFoundError("no server is installed here: pip install 'texgen[server]', or pass --server HOST:PORT")
    from texgen_server.config import ServerConfig
    from texgen_server.rpc.server import EmbeddedServer

    config = ServerConfig(port=0, models=options.models, device=options.device, grace_s=0.0)
    with EmbeddedServer(config) as server, Client(server.address) as client:
        yield client


def _generate(options: argparse.Namespace) -> int:
    from texgen.files import check_output, recipe_text

    if bool(options.classes) == bool(options.recipe):
        raise InvalidRequestError("give --class (such as --class bark) or --recipe, one of the two", "classes")
    if options.recipe and (options.seed is not None or options.psi is not None or options.control or options.count != 1):
        raise InvalidRequestError(
            "a recipe already says seed, psi, controls: --seed, --psi, --control and --count do not go with it", "recipe"
        )
    if options.preview and options.format != "png":
        raise InvalidRequestError("--preview goes with --format png", "preview")
    if options.count < 1:
        raise InvalidRequestError(f"--count {options.count}: give 1 or more", "count")
    request = {
        "classes": dict(_merged(parse_class_mix(options.classes))) if options.classes else {},
        "recipe": recipe_text(options.recipe) if options.recipe else "",
        "size_px": parse_size(options.size) if options.size else None,
        "psi": options.psi,
        "controls": parse_controls(options.control),
        "model": options.model,
        "encoding": Encoding(options.format),
    }
    check_output(options.out, _known_names(options, request["classes"]), force=options.force)
    with _client(options) as client:
        sets = []
        for number in range(options.count):
            seed = None if options.seed is None else options.seed + number
            sets.append(_generate_one(client, options, request, seed))
    if options.json:
        sys.stdout.write(json.dumps({"sets": sets}) + "\n")
    return 0


def _merged(mix: list[tuple[str, float]]) -> Iterator[tuple[str, float]]:
    """A class named twice counts with the sum of its weights."""
    totals: dict[str, float] = {}
    for name, weight in mix:
        totals[name] = totals.get(name, 0.0) + weight
    yield from totals.items()


def _known_names(options: argparse.Namespace, classes: dict[str, float]) -> list[str]:
    """Sidecars that this command will write, as far as known before the server answers."""
    if options.seed is None or options.recipe:
        return []
    return [f"{_stem(classes, options.seed + n)}.json" for n in range(options.count)]


def _stem(classes: dict[str, float], seed: int) -> str:
    return f"{'-'.join(classes)}_{seed}"


def _generate_one(client: Any, options: argparse.Namespace, request: dict[str, Any], seed: int | None) -> dict[str, Any]:
    from texgen.files import check_output, sidecar, write_material
    from texgen.preview import lit_tiled_png

    with _progress_line() as show:
        material = client.generate(**request, seed=seed, on_progress=show)
    stem = _stem(request["classes"] or _recipe_classes(options, material.recipe), material.seed)
    preview = options.out / f"{stem}_preview.png"
    if options.preview:
        check_output(options.out, [preview.name], force=options.force)
    paths = write_material(material, options.out, stem, force=options.force)
    if options.preview:
        paths.append(preview)
        preview.write_bytes(lit_tiled_png(material))
    if not options.json:
        sys.stdout.write("".join(f"{p}\n" for p in paths))
    return sidecar(material, stem) | {"paths": [str(p) for p in paths]}


def _recipe_classes(options: argparse.Namespace, text: str) -> dict[str, float]:
    """The classes that a recipe names, when its model is installed here; else the word "recipe"."""
    from texgen.recipe import read_recipe

    try:
        return dict(read_recipe(text, find_card(options.model, options.models)).classes)
    except TexgenError:
        return {"recipe": 1.0}


@contextlib.contextmanager
def _progress_line() -> Iterator[Any]:
    """A progress line on stderr when a person watches, else silence."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("generating", total=1.0)
        yield lambda p: bar.update(task, completed=p.fraction, description=p.stage)


def _models_list(options: argparse.Namespace) -> int:
    cards = list_cards(options.models)
    if options.json:
        sys.stdout.write(json.dumps({"models": [_card_document(c) for c in cards]}) + "\n")
        return 0
    for card in cards:
        presets = sum(c.preset for c in card.classes)
        sys.stdout.write(
            f"{card.id}  {card.title} {card.version}  {len(card.classes) - presets} classes, {presets} presets  {card.licence}\n"
        )
    return 0


def _models_show(options: argparse.Namespace) -> int:
    card = find_card(options.model, options.models)
    document = _card_document(card)
    if options.json:
        sys.stdout.write(json.dumps(document) + "\n")
        return 0
    lines = [
        f"{card.id}: {card.title} {card.version}",
        f"digest   {card.digest}",
        f"licence  weights {card.licence}, output {card.output_licence}",
    ]
    lines += [
        f"sizes    {card.min_edge_px} to {card.max_edge_px} px in steps of {card.size_multiple_px}",
        f"maps     {', '.join(card.maps)}",
    ]
    lines += [f"weights  {sum((card.folder / w).stat().st_size for w in card.weights) / 1e6:.1f} MB", "classes"]
    lines += [f"  {c.name:<16}{'preset' if c.preset else ''}{len(c.materials):>4} materials" for c in card.classes]
    lines += [
        "controls",
        *(f"  {c.name:<18}{c.minimum:g} to {c.maximum:g} {c.unit}, default {c.default:g}: {c.description}" for c in card.controls),
    ]
    lines += ["data", *(f"  {k}: {', '.join(v) if isinstance(v, list) else v}" for k, v in card.data.items())]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _card_document(card: ModelCard) -> dict[str, Any]:
    return {
        "id": card.id,
        "title": card.title,
        "kind": card.kind,
        "version": card.version,
        "digest": card.digest,
        "licence": card.licence,
        "output_licence": card.output_licence,
        "classes": [{"name": c.name, "preset": c.preset, "materials": list(c.materials)} for c in card.classes],
        "controls": [
            {k: getattr(c, k) for k in ("name", "label", "description", "unit", "minimum", "maximum", "default")} for c in card.controls
        ],
        "maps": [str(m) for m in card.maps],
        "size_multiple_px": card.size_multiple_px,
        "min_edge_px": card.min_edge_px,
        "max_edge_px": card.max_edge_px,
        "data": card.data,
    }
