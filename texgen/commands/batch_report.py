# SPDX-License-Identifier: Apache-2.0
"""The output of ``texgen batch``: progress, the plan of a dry run, the report."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict

from texgen.batch.item import Item
from texgen.batch.run import Outcome
from texgen.batch.state import Status
from texgen.errors import OutputError
from texgen.files.document import json_bytes

EXIT_SOME_FAILED = 10


@contextlib.contextmanager
def outcome_progress(total: int) -> Iterator[Callable[[Outcome], None]]:
    """Yield a function that shows each outcome: a bar on a terminal, else one line per failure."""
    if not sys.stderr.isatty():
        yield _print_failure
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("sets", total=total)

        def show(outcome: Outcome) -> None:
            if outcome.why:
                bar.console.print(f"[red]{outcome.stem}[/red]: {outcome.why}")
            bar.update(task, advance=1, description=outcome.stem)

        yield show


def _print_failure(outcome: Outcome) -> None:
    if outcome.why:
        sys.stderr.write(f"{outcome.stem}: {outcome.why}\n")


def print_plan(
    options: argparse.Namespace, items: Sequence[Item], status: Mapping[str, Status]
) -> int:
    """Print the status of each set for ``--dry-run``; return the exit code."""
    if options.json:
        sets = [
            {
                "stem": i.stem,
                "line": i.line,
                "status": status[i.stem],
                "request": dict(i.request),
                "preset": i.preset,
            }
            for i in items
        ]
        sys.stdout.write(json.dumps({"sets": sets}) + "\n")
        return 0
    sys.stdout.write("".join(f"{status[item.stem]:<12} {item.stem}\n" for item in items))
    return 0


def write_report(options: argparse.Namespace, outcomes: Sequence[Outcome], seconds: float) -> int:
    """Write and print the report; return the exit code."""
    totals = Counter(outcome.status for outcome in outcomes)
    report = {
        "spec": str(options.spec),
        "out": str(options.out),
        "seconds": round(seconds, 3),
        "totals": dict(totals),
        "sets": [{k: v for k, v in asdict(o).items() if k != "entry"} for o in outcomes],
    }
    if options.report:
        try:
            options.report.write_bytes(json_bytes(report))
        except OSError as error:
            raise OutputError(
                f"cannot write the report {options.report}: {error.strerror}"
            ) from error
    if options.json:
        sys.stdout.write(json.dumps(report) + "\n")
    else:
        counts = ", ".join(f"{count} {status}" for status, count in sorted(totals.items()))
        sys.stdout.write(f"{counts} ({seconds:.1f} s)\n")
    return EXIT_SOME_FAILED if totals["failed"] or totals["not begun"] else 0
