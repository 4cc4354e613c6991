# SPDX-License-Identifier: Apache-2.0
"""Runs ``texgen train``."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from texgen_server.training.codec.run import CodecTrainOptions, train_codec
from texgen_server.training.codec.settings import CodecConfig
from texgen_server.training.environment.run import train_environment
from texgen_server.training.estimator.run import train_estimator
from texgen_server.training.material.run import (
    MaterialTrainOptions,
    parse_stages,
    train_material,
)
from texgen_server.training.runner import TrainOptions
from texgen_server.training.upscaler.run import train_upscaler


def material(options: argparse.Namespace) -> int:
    """Train the material model."""
    chosen = MaterialTrainOptions(
        data=options.data,
        work=options.work,
        stages=parse_stages(options.stages),
        resume=options.resume,
        init=options.init,
        batch=options.batch,
        device=options.device,
        export=options.export,
        version=options.version,
        game=options.game,
        materials=options.materials,
    )
    train_material(chosen)
    return 0


def upscaler(options: argparse.Namespace) -> int:
    """Train the upscaler."""
    return _by_steps(train_upscaler, options)


def environment(options: argparse.Namespace) -> int:
    """Train the environment model."""
    return _by_steps(train_environment, options)


def estimator(options: argparse.Namespace) -> int:
    """Train the estimator."""
    return _by_steps(train_estimator, options)


def _by_steps(train: Callable[[TrainOptions], None], options: argparse.Namespace) -> int:
    chosen = TrainOptions(
        data=options.data,
        work=options.work,
        steps=options.steps,
        resume=options.resume,
        export=options.export,
        version=options.version,
        device=options.device,
    )
    train(chosen)
    return 0


def codec(options: argparse.Namespace) -> int:
    """Train the codec."""
    config = CodecConfig(
        codec_minutes=options.codec_minutes,
        joins_minutes=options.joins_minutes,
        batch=options.batch,
        crop_px=options.crop,
        lr=options.lr,
        adversarial=options.adversarial,
        critic_width=options.critic_width,
    )
    chosen = CodecTrainOptions(
        work=options.work,
        pack=options.pack,
        data=options.data,
        index_maps=options.index_maps,
        init=options.init,
        resume=options.resume,
        device=options.device,
        jobs=options.jobs,
    )
    train_codec(chosen, config)
    return 0
