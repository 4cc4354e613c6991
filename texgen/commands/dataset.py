# SPDX-License-Identifier: Apache-2.0
"""``texgen dataset``: labelled synthetic materials, lit and seen at random, to train other models
on.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from texgen.commands.shared import add_connection, add_parser, connected, progress_line
from texgen.dataset.plan import FORMS, Sample, make_plan
from texgen.errors import InvalidRequestError


def add_dataset(commands: Any) -> None:
    """``texgen dataset``"""
    parser = add_parser(
        commands.add_parser,
        "Make a labelled data set: maps, random views under random light, class, controls and "
        "recipe of every sample. Run it again to go on.",
        "texgen dataset --out data --count 10000 --balance",
        "dataset",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--count", type=int, required=True, metavar="N", help="samples")
    parser.add_argument(
        "--size", type=int, default=256, metavar="PX", help="edge of maps and views (default 256)"
    )
    parser.add_argument(
        "--form",
        choices=FORMS,
        default="webdataset",
        help="tar shards, or a folder a class (default webdataset)",
    )
    parser.add_argument("--classes", default="", metavar="A,B", help="default: all")
    parser.add_argument(
        "--balance",
        action="store_true",
        help="every class equally often; default: as often as in the model's training",
    )
    parser.add_argument(
        "--views", type=int, default=2, metavar="N", help="pictures of each material (default 2)"
    )
    parser.add_argument(
        "--spread",
        type=float,
        default=0.35,
        metavar="X",
        help="0 to 1: how far controls go (default 0.35)",
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
    add_connection(parser)
    parser.set_defaults(run=_dataset)


def _dataset(options: argparse.Namespace) -> int:
    from texgen.dataset.keeping import Files, Keeper
    from texgen.dataset.making import make_samples

    if options.jobs < 1:
        raise InvalidRequestError(f"--jobs {options.jobs}: give 1 or more", "jobs")
    if options.seed < 0:
        raise InvalidRequestError(f"--seed {options.seed}: give 0 or more", "seed")
    made, already = Counter[str](), 0
    with connected(options) as client, progress_line() as show:
        plan = make_plan(
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
        keeper = Keeper(options.out, plan)
        lots = list(keeper.missing())
        already = plan.count - sum(map(len, lots))

        def counted(samples: Sequence[Sample]) -> Iterator[Files]:
            for sample, files in zip(
                samples, make_samples(client, plan, samples, options.jobs), strict=True
            ):
                made[sample.class_name] += 1
                if show:
                    show(
                        SimpleNamespace(
                            stage="samples", fraction=(already + made.total()) / plan.count
                        )
                    )
                yield files

        for samples in lots:
            keeper.keep(samples, counted(samples))
    report = {
        "made": made.total(),
        "already": already,
        "classes": dict(sorted(made.items())),
        "digest": plan.digest(),
    }
    if options.json:
        sys.stdout.write(json.dumps(report) + "\n")
    else:
        sys.stdout.write(
            f"{made.total()} samples made, {already} were there; {len(made)} classes\n"
        )
    return 0
