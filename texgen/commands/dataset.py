# SPDX-License-Identifier: Apache-2.0
"""``texgen dataset``: generates labelled synthetic materials, lit and seen at random, to train
other models.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from texgen.commands.shared import (
    Commands,
    add_connection,
    add_parser,
    open_client,
    progress_line,
)
from texgen.dataset.folder import DatasetFolder, SampleFiles
from texgen.dataset.generate import generate_samples
from texgen.dataset.plan import FORMS, DatasetPlan, Sample, make_plan
from texgen.errors import InvalidRequestError
from texgen.wire.assembly import OnProgress, Progress

if TYPE_CHECKING:
    from texgen.client import Client


def add_dataset(commands: Commands) -> None:
    """Add ``texgen dataset``."""
    parser = add_parser(
        commands,
        "dataset",
        "Generate a labelled data set: maps, random views under random light, class, controls and "
        "recipe of every sample. Run it again to continue.",
        "texgen dataset --out data --count 10000 --balance",
    )
    _add_contents(parser)
    _add_work(parser)
    add_connection(parser)
    parser.set_defaults(run=_dataset)


def _add_contents(parser: argparse.ArgumentParser) -> None:
    """Add the options that describe the samples."""
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--count", type=int, required=True, metavar="N", help="samples")
    parser.add_argument(
        "--size", type=int, default=256, metavar="PX", help="edge of maps and views (default 256)"
    )
    parser.add_argument(
        "--form",
        choices=FORMS,
        default="webdataset",
        help="tar shards, or one folder per class (default webdataset)",
    )
    parser.add_argument("--classes", default="", metavar="A,B", help="default: all")
    parser.add_argument(
        "--balance",
        action="store_true",
        help="all classes equally often (default: as often as in the model's training)",
    )
    parser.add_argument(
        "--views", type=int, default=2, metavar="N", help="pictures of each material (default 2)"
    )


def _add_work(parser: argparse.ArgumentParser) -> None:
    """Add the options for variety, shards and the work."""
    parser.add_argument(
        "--spread",
        type=float,
        default=0.35,
        metavar="X",
        help="0 to 1: distance of controls from their defaults (default 0.35)",
    )
    parser.add_argument("--seed", type=int, default=0, help="another seed is another data set")
    parser.add_argument(
        "--shard", type=int, default=500, metavar="N", help="samples in a tar file (default 500)"
    )
    parser.add_argument(
        "--jobs", type=int, default=4, metavar="N", help="requests in flight (default 4)"
    )
    parser.add_argument("--model", default="", metavar="ID", help="default: material")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def _dataset(options: argparse.Namespace) -> int:
    if options.jobs < 1:
        raise InvalidRequestError(f"--jobs {options.jobs}: give 1 or more", "jobs")
    if options.seed < 0:
        raise InvalidRequestError(f"--seed {options.seed}: give 0 or more", "seed")
    with open_client(options) as client, progress_line() as show:
        plan = _plan(options, client)
        folder = DatasetFolder(options.out, plan)
        missing = list(folder.missing())
        existing = plan.count - sum(map(len, missing))
        written = Counter[str]()
        for samples in missing:
            files = generate_samples(client, plan, samples, options.jobs)
            folder.write(samples, _counted(samples, files, written, plan, existing, show))
    _print_report(options, written, existing, plan)
    return 0


def _plan(options: argparse.Namespace, client: Client) -> DatasetPlan:
    """Return the plan that the options describe. Raises InvalidRequestError."""
    return make_plan(
        client.get_model(options.model),
        [name.strip() for name in options.classes.split(",") if name.strip()],
        balance=options.balance,
        count=options.count,
        size_px=options.size,
        seed=options.seed,
        form=options.form,
        views=options.views,
        shard=options.shard,
        spread=options.spread,
    )


def _counted(
    samples: Sequence[Sample],
    generated: Iterator[SampleFiles],
    written: Counter[str],
    plan: DatasetPlan,
    existing: int,
    show: OnProgress | None,
) -> Iterator[SampleFiles]:
    """Yield the files of each sample, count its class and show the progress."""
    for sample, files in zip(samples, generated, strict=True):
        written[sample.class_name] += 1
        if show:
            show(Progress((existing + written.total()) / plan.count, "samples"))
        yield files


def _print_report(
    options: argparse.Namespace, written: Counter[str], existing: int, plan: DatasetPlan
) -> None:
    if options.json:
        report = {
            "made": written.total(),
            "already": existing,
            "classes": dict(sorted(written.items())),
            "digest": plan.digest(),
        }
        sys.stdout.write(json.dumps(report) + "\n")
    else:
        sys.stdout.write(
            f"{written.total()} samples made, {existing} were there; {len(written)} classes\n"
        )
