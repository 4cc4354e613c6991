# SPDX-License-Identifier: Apache-2.0
"""Commands of the server's side: serve, train, eval. Mounted into ``texgen`` when this package is installed."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from typing import Any

from texgen.errors import InvalidRequestError


def add_commands(commands: Any) -> None:
    """Add ours to the ``texgen`` command line."""
    _add_serve(commands)
    _add_train(commands)
    _add_eval(commands)
    _add_bench(commands)


def _parser(commands: Any, name: str, description: str, example: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=description, description=description, epilog=f"example:  {example}", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    return parser


def _add_serve(commands: Any) -> None:
    parser = _parser(commands, "serve", "Serve models over gRPC.", "texgen serve --listen 127.0.0.1:50051 --token-file token.txt")
    parser.add_argument(
        "--listen", default="127.0.0.1:50051", metavar="HOST:PORT", help="port 0 picks a free one (default 127.0.0.1:50051)"
    )
    parser.add_argument("--token-file", type=Path, metavar="F", help="ask clients for the token in this file")
    parser.add_argument("--models", type=Path, metavar="DIR", help="folder of models")
    parser.add_argument("--device", default="auto", help="auto, cpu, openvino, torch, cuda (default auto)")
    parser.add_argument("--precision", default="auto", help="auto, bf16, f32 (default auto: fixed per kind of device)")
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="CPU threads, 0 for all (default 0)")
    parser.add_argument("--max-queue", type=int, default=64, metavar="N", help="requests that may wait (default 64)")
    parser.set_defaults(run=_serve)


def _serve(options: argparse.Namespace) -> int:
    from texgen.commands.connection import read_token
    from texgen_server.config import ServerConfig, check_exposure, parse_listen
    from texgen_server.rpc.server import RunningServer, serve_forever

    host, port = parse_listen(options.listen)
    check_exposure(host)
    config = ServerConfig(
        host=host,
        port=port,
        token=read_token(options.token_file),
        models=options.models,
        device=options.device,
        precision=options.precision,
        threads=options.threads,
        max_queue=options.max_queue,
    )
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)

    def ready(server: RunningServer) -> None:
        engine = ", ".join(d.engine for d in server.engine.devices())
        sys.stdout.write(f"texgen is serving on {host}:{server.port} ({engine}); stop with Ctrl+C\n")
        sys.stdout.flush()

    serve_forever(config, ready)
    return 0


def _add_train(commands: Any) -> None:
    parser = _parser(commands, "train", "Train a model.", "texgen train material --data ../shared/data --work runs/material --resume")
    kinds = parser.add_subparsers(required=True, metavar="KIND")
    material = _parser(kinds, "material", "Train the material model.", "texgen train material --data ../shared/data --work runs/material")
    material.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder with materials.csv and materials/, or your own sets in ambientCG, Poly Haven or texgen naming, by class in folders",
    )
    material.add_argument(
        "--work", type=Path, default=Path("runs/material"), metavar="DIR", help="state, log and samples (default runs/material)"
    )
    material.add_argument("--resume", action="store_true", help="go on from the state in --work")
    material.add_argument("--init", type=Path, metavar="DIR", help="start from the weights of a model folder, such as models/material")
    material.add_argument("--stages", default="128:60000,256:10000", help="SIZE:IMAGES,... (default 128:60000,256:10000)")
    material.add_argument("--batch", type=int, default=16, metavar="N", help="images per step over all workers (default 16)")
    material.add_argument("--device", default="auto", help="auto, cpu, cuda (default auto)")
    material.add_argument(
        "--loss",
        dest="game",
        choices=["relativistic", "hinge", "wgan-gp"],
        default="relativistic",
        help="adversarial loss (default relativistic)",
    )
    material.add_argument(
        "--export", type=Path, metavar="DIR", help="write the EMA weights as a model folder when done, or at once with --stages 0:0"
    )
    material.add_argument("--version", default="0.1.0", help="version of the exported model")
    material.add_argument(
        "--materials", type=int, default=0, metavar="N", help="train on a fixed choice of N materials only, to compare runs"
    )
    material.set_defaults(run=_train_material)
    upscaler = _parser(kinds, "upscaler", "Train the upscaler.", "texgen train upscaler --data ../shared/data --work runs/upscaler")
    upscaler.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder with materials.csv and materials/")
    upscaler.add_argument(
        "--work", type=Path, default=Path("runs/upscaler"), metavar="DIR", help="scans, state, log (default runs/upscaler)"
    )
    upscaler.add_argument(
        "--steps", type=int, default=12000, metavar="N", help="updates of 8 crops each, over all sessions (default 12000)"
    )
    upscaler.add_argument("--resume", action="store_true", help="go on from the state in --work")
    upscaler.add_argument("--export", type=Path, metavar="DIR", help="write the averaged weights as a model folder when done")
    upscaler.add_argument("--version", default="0.1.0", help="version of the exported model")
    upscaler.set_defaults(run=_train_upscaler)
    curves = _parser(kinds, "curves", "Draw the curves of training logs.", "texgen train curves runs/a runs/b --out curves.png")
    curves.add_argument("runs", nargs="+", type=Path, metavar="DIR", help="folders of runs (their --work); named by the folder")
    curves.add_argument("--out", type=Path, required=True, metavar="PNG", help="the picture to write")
    curves.set_defaults(run=_train_curves)


def _train_material(options: argparse.Namespace) -> int:
    _require("torch", "efficientnet_lite_pytorch", extra="train")
    from texgen_server.training.run import RunOptions, parse_stages, train_material

    chosen = {
        key: getattr(options, key)
        for key in ("data", "work", "resume", "init", "batch", "device", "export", "version", "game", "materials")
    }
    train_material(RunOptions(stages=parse_stages(options.stages), **chosen))
    return 0


def _train_upscaler(options: argparse.Namespace) -> int:
    _require("torch", "efficientnet_lite_pytorch", extra="train")
    from texgen_server.training.upscaler.run import UpscalerRun, train_upscaler

    train_upscaler(UpscalerRun(**{key: getattr(options, key) for key in ("data", "work", "steps", "resume", "export", "version")}))
    return 0


def _train_curves(options: argparse.Namespace) -> int:
    from texgen_server.training.curves import draw_curves

    draw_curves({run.name: run / "log.jsonl" for run in options.runs}, options.out)
    return 0


def _add_eval(commands: Any) -> None:
    parser = _parser(commands, "eval", "Measure a model.", "texgen eval material --data ../shared/data")
    kinds = parser.add_subparsers(required=True, metavar="KIND")
    material = _parser(
        kinds, "material", "Measure the material model against held-out assets.", "texgen eval material --data ../shared/data"
    )
    material.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder with materials.csv and materials/")
    material.add_argument(
        "--work", type=Path, default=Path("runs/eval"), metavar="DIR", help="packed data and pictures (default runs/eval)"
    )
    material.add_argument("--models", type=Path, metavar="DIR", help="folder of models")
    material.add_argument("--model", default="material", metavar="ID", help="default: material")
    material.add_argument("--size", type=int, default=256, metavar="PX", help="size judged, one tile wide (default 256)")
    material.add_argument("--json", action="store_true", help="one JSON object on stdout")
    material.add_argument(
        "--pictures", type=Path, metavar="DIR", help="only write the card's pictures into DIR: generated beside real, every class"
    )
    material.add_argument("--blind", type=Path, metavar="HTML", help="only write an offline page: real or generated? which class?")
    material.add_argument("--captures", action="store_true", help="only judge captures of held-out materials; with --pictures draw them")
    material.add_argument("--controls", action="store_true", help="only sweep the controls and measure what they name")
    material.set_defaults(run=_eval_material)
    _add_eval_upscaler(kinds)


def _add_eval_upscaler(kinds: Any) -> None:
    parser = _parser(
        kinds, "upscaler", "Measure the upscaler on held-out scans beside its peers.", "texgen eval upscaler --data ../shared/data"
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder with materials.csv and materials/")
    parser.add_argument("--work", type=Path, default=Path("runs/upscaler"), metavar="DIR", help="scans (default runs/upscaler)")
    parser.add_argument("--models", type=Path, metavar="DIR", help="folder of models")
    parser.add_argument("--model", default="upscaler", metavar="ID", help="default: upscaler")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="write crops beside the peers' there")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.set_defaults(run=_eval_upscaler)


def _eval_upscaler(options: argparse.Namespace) -> int:
    _require("torch", extra="train")
    from texgen_server.config import default_cache_folder
    from texgen_server.training.evaluate import report
    from texgen_server.training.upscaler.evaluate import UpscalerEval
    from texgen_server.training.upscaler.run import measure_upscaler

    chosen = UpscalerEval(options.work, default_cache_folder() / "graphs", options.models, options.model, pictures=options.pictures)
    sys.stdout.write(report(measure_upscaler(options.data, chosen), as_json=options.json))
    return 0


def _eval_material(options: argparse.Namespace) -> int:
    _require("torch", "efficientnet_lite_pytorch", extra="train")
    from texgen_server.training.evaluate import EvalOptions, draw_pictures, report

    chosen = EvalOptions(size_px=options.size, **{key: getattr(options, key) for key in ("data", "work", "models", "model")})
    if options.pictures and not options.captures:
        draw_pictures(chosen, options.pictures)
    elif options.blind:
        from texgen_server.training.blind import write_blind_page

        write_blind_page(chosen, options.blind)
    else:
        sys.stdout.write(report(_measured(options, chosen), as_json=options.json))
    return 0


def _add_bench(commands: Any) -> None:
    parser = _parser(commands, "bench", "Measure speed, as ratios within one run.", "texgen bench material --sizes 256,1024")
    kinds = parser.add_subparsers(required=True, metavar="KIND")
    material = _parser(kinds, "material", "Measure the material model beside its peers.", "texgen bench material --sizes 256,1024")
    material.add_argument("--models", type=Path, metavar="DIR", help="folder of models")
    material.add_argument("--sizes", default="256,512,1024,2048", metavar="PX,PX", help="edges (default 256,512,1024,2048)")
    material.add_argument("--batches", default="1,8", metavar="N,N", help="sets at a time (default 1,8)")
    material.add_argument("--rounds", type=int, default=5, metavar="N", help="medians of this many (default 5)")
    material.add_argument("--no-peers", action="store_true", help="leave the peers out")
    material.add_argument("--json", action="store_true", help="one JSON object on stdout")
    material.set_defaults(run=_bench_material)
    upscaler = _parser(kinds, "upscaler", "Measure the upscaler beside Real-ESRGAN's arithmetic.", "texgen bench upscaler --size 1024")
    upscaler.add_argument("--size", type=int, default=1024, metavar="PX", help="edge of the small maps (default 1024)")
    upscaler.add_argument("--rounds", type=int, default=3, metavar="N", help="medians of N (default 3)")
    upscaler.add_argument("--models", type=Path, metavar="DIR", help="folder of models")
    upscaler.add_argument("--json", action="store_true", help="one JSON object")
    upscaler.set_defaults(run=_bench_upscaler)


def _bench_upscaler(options: argparse.Namespace) -> int:
    _require("torch", extra="server")
    from texgen_server.bench.report import table
    from texgen_server.bench.upscaler import UpscalerBench, bench_upscaler
    from texgen_server.config import default_cache_folder

    chosen = UpscalerBench(options.models, default_cache_folder() / "graphs", options.size, max(1, options.rounds))
    sys.stdout.write(table(bench_upscaler(chosen), as_json=options.json))
    return 0


def _bench_material(options: argparse.Namespace) -> int:
    _require("torch", extra="server")
    from texgen_server.bench.material import BenchOptions, bench_material
    from texgen_server.bench.report import table
    from texgen_server.config import default_cache_folder

    sizes, batches = _numbers(options.sizes, "sizes", 32), _numbers(options.batches, "batches", 1)
    result = bench_material(
        BenchOptions(options.models, default_cache_folder() / "graphs", sizes, batches, max(1, options.rounds), not options.no_peers)
    )
    sys.stdout.write(table(result, as_json=options.json))
    return 0


def _numbers(text: str, what: str, step: int) -> tuple[int, ...]:
    parts = text.split(",")
    if not all(p.isdigit() and int(p) and int(p) % step == 0 for p in parts):
        raise InvalidRequestError(
            f"--{what} {text!r}: write multiples of {step}, such as {256 if step > 1 else 1},{512 if step > 1 else 8}", what
        )
    return tuple(map(int, parts))


def _measured(options: argparse.Namespace, chosen: Any) -> dict[str, Any]:
    if options.captures:
        from texgen_server.training.evaluate_capture import evaluate_captures

        return evaluate_captures(chosen, options.pictures)
    if options.controls:
        from texgen_server.training.evaluate_controls import evaluate_model_controls

        return evaluate_model_controls(chosen.model, chosen.models)
    from texgen_server.training.evaluate import evaluate_material

    return evaluate_material(chosen)


def _require(*modules: str, extra: str) -> None:
    import importlib.util

    missing = [m for m in modules if importlib.util.find_spec(m) is None]
    if missing:
        raise InvalidRequestError(f"this command needs {', '.join(missing)}: pip install 'texgen[{extra}]'")
