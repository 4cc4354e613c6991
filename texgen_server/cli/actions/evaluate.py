# SPDX-License-Identifier: Apache-2.0
"""Runs ``texgen eval``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from typing import Any

from texgen_server.cli.shared import cache_folder
from texgen_server.training.codec.report import CodecEvalOptions, evaluate_codec
from texgen_server.training.environment.run import measure_environment
from texgen_server.training.estimator.run import measure_estimator
from texgen_server.training.material.blind import write_blind_page
from texgen_server.training.material.evaluate import (
    MaterialEvalOptions,
    draw_pictures,
    evaluate_material,
)
from texgen_server.training.material.evaluate_capture import evaluate_captures
from texgen_server.training.material.evaluate_controls import evaluate_model_controls
from texgen_server.training.report import report
from texgen_server.training.runner import EvalOptions
from texgen_server.training.upscaler.run import measure_upscaler


def material(options: argparse.Namespace) -> int:
    """Measure the material model, or the part of it that is asked for."""
    chosen = MaterialEvalOptions(
        options.data,
        options.work,
        options.models,
        options.model,
        options.size,
        options.device,
    )
    if options.pictures and not options.captures:
        draw_pictures(chosen, options.pictures)
        return 0
    if options.blind:
        write_blind_page(chosen, options.blind)
        return 0
    if options.captures:
        result = evaluate_captures(chosen, options.pictures)
    elif options.controls:
        result = evaluate_model_controls(chosen.model, chosen.models, chosen.device)
    else:
        result = evaluate_material(chosen)
    sys.stdout.write(report(result, as_json=options.json))
    return 0


def upscaler(options: argparse.Namespace) -> int:
    """Measure the upscaler."""
    return _held_out(measure_upscaler, options)


def estimator(options: argparse.Namespace) -> int:
    """Measure the estimator."""
    return _held_out(measure_estimator, options)


def environment(options: argparse.Namespace) -> int:
    """Measure the environment model."""
    return _held_out(measure_environment, options)


def _held_out(measure: Callable[[EvalOptions], dict[str, Any]], options: argparse.Namespace) -> int:
    chosen = EvalOptions(
        data=options.data,
        work=options.work,
        cache=cache_folder() / "graphs",
        model=options.model,
        models=options.models,
        device=options.device,
        pictures=options.pictures,
    )
    sys.stdout.write(report(measure(chosen), as_json=options.json))
    return 0


def codec(options: argparse.Namespace) -> int:
    """Measure a codec; prints JSON."""
    chosen = CodecEvalOptions(
        pack=options.pack,
        codec=options.codec,
        transform=options.transform,
        grid=options.grid,
        noise=options.noise,
        device=options.device,
    )
    sys.stdout.write(json.dumps(evaluate_codec(chosen), indent=2) + "\n")
    return 0
