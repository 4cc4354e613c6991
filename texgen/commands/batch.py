# SPDX-License-Identifier: Apache-2.0
"""``texgen batch``: a spec file -> a folder of texture sets, resumable, never made twice."""

from __future__ import annotations

import argparse
import contextlib
import fnmatch
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from texgen.batch.check import check_items
from texgen.batch.lock import Locked, changes, read_lock, write_lock
from texgen.batch.run import Batch, Outcome
from texgen.batch.spec import Item, read_spec
from texgen.batch.state import Folder, Status, request_digest
from texgen.commands.shared import add_connection, add_parser, add_signing, connected, signer_of
from texgen.errors import InvalidRequestError, OutputError
from texgen.files.material import json_bytes
from texgen.modelcard import find_card

EXIT_SOME_FAILED = 10
TOLD = 20
"""Sets that a message names at most."""


def add_batch(commands: Any) -> None:
    """``texgen batch``"""
    parser = add_parser(
        commands.add_parser,
        "Make all texture sets of a spec file; what is there already is left alone.",
        "texgen batch textures.toml --out build/textures --preset unreal --report report.json",
        "batch",
    )
    parser.add_argument("spec", type=Path, metavar="SPEC", help="a .toml, .json or .csv file")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="where the files go, flat"
    )
    parser.add_argument(
        "--preset", default="", metavar="NAME|TOML", help="for sets that name none of their own"
    )
    parser.add_argument(
        "--jobs", type=int, default=4, metavar="N", help="requests in flight (default 4)"
    )
    parser.add_argument(
        "--resume", action="store_true", help="make sets again that are half written or out of date"
    )
    parser.add_argument(
        "--only",
        default="",
        metavar="GLOB",
        help="only sets whose name matches, such as 'castle_*'",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="tell what would be done, and do nothing"
    )
    parser.add_argument(
        "--report", type=Path, metavar="FILE", help="JSON: what became of every set, and why"
    )
    parser.add_argument(
        "--lock",
        type=Path,
        metavar="FILE",
        help="recipes and hashes: written at first, then every set must come out the same",
    )
    parser.add_argument(
        "--update-lock",
        action="store_true",
        help="take what changed in spec or model into the lock",
    )
    parser.add_argument(
        "--gallery", action="store_true", help="also write gallery.html, a page to look at them"
    )
    parser.add_argument(
        "--json", action="store_true", help="the report on stdout, progress on stderr"
    )
    add_signing(parser)
    add_connection(parser)
    parser.set_defaults(run=_batch)


def _batch(options: argparse.Namespace) -> int:
    started = time.monotonic()
    items = _items(options)
    folder = Folder(options.out)
    if options.server is None:
        check_items(items, options.models)
        return _run(options, items, folder, None, started)
    with connected(options) as client:
        return _run(options, items, folder, client, started)


def _items(options: argparse.Namespace) -> list[Item]:
    if options.jobs < 1:
        raise InvalidRequestError(f"--jobs {options.jobs}: give 1 or more", "jobs")
    if options.update_lock and not options.lock:
        raise InvalidRequestError("--update-lock goes with --lock FILE", "lock")
    items = read_spec(options.spec, options.preset)
    chosen = (
        [item for item in items if fnmatch.fnmatchcase(item.stem, options.only)]
        if options.only
        else items
    )
    if not chosen:
        raise InvalidRequestError(
            f"--only {options.only!r} matches none of {len(items)} sets, such as {items[0].stem}",
            "only",
        )
    return chosen


def _run(
    options: argparse.Namespace, items: list[Item], folder: Folder, client: Any, started: float
) -> int:
    models = _model_digests(options, items, client)
    wanted = {
        item.stem: request_digest(item, models[item.request.get("model", "")]) for item in items
    }
    lock = read_lock(options.lock) if options.lock else {}
    _check_lock(options, items, wanted, models, lock)
    signer = signer_of(options)
    status = {
        item.stem: folder.status(item, wanted[item.stem], signed=signer is not None)
        for item in items
    }
    unlocked = [
        i for i in items if options.lock and status[i.stem] is Status.READY and i.stem not in lock
    ]
    status |= {item.stem: Status.UNLOCKED for item in unlocked}
    todo = [item for item in items if status[item.stem] is not Status.READY]
    if options.dry_run:
        return _tell_plan(options, items, status)
    _check_status(options, status)
    outcomes = [
        Outcome(i.stem, i.line, "up to date", sweep=i.sweep)
        for i in items
        if status[i.stem] is Status.READY
    ]
    if todo:
        folder.prepare()
        outcomes += _made(
            options, todo, folder, client, wanted, {} if options.update_lock else lock, signer
        )
        if not any(o.status == "failed" for o in outcomes):
            folder.end()
    if options.lock:
        _write_lock(options, lock, outcomes, set(wanted))
    if options.gallery and (todo or not (options.out / "gallery.html").is_file()):
        from texgen.gallery.build import write_gallery

        write_gallery(options.out, options.spec.stem)
    return _tell_end(options, outcomes, time.monotonic() - started)


def _model_digests(options: argparse.Namespace, items: list[Item], client: Any) -> dict[str, str]:
    """Of every model that the spec names: the server's, or those that are installed here."""
    names = {item.request.get("model", "") for item in items}
    if client is not None:
        return {name: client.get_model(name).digest for name in names}
    return {name: find_card(name, options.models).digest for name in names}


def _check_lock(
    options: argparse.Namespace,
    items: list[Item],
    wanted: dict[str, str],
    models: dict[str, str],
    lock: dict[str, Locked],
) -> None:
    """What differs from the lock is refused before any work, unless it is to be taken in."""
    if not lock or options.update_lock:
        return
    named = {
        item.stem: (wanted[item.stem], models[item.request.get("model", "")]) for item in items
    }
    told = [
        change
        for change in changes(named, lock)
        if not (options.only and change.endswith("any more"))
    ]
    if told:
        more = f"\n... and {len(told) - TOLD} more" if len(told) > TOLD else ""
        raise InvalidRequestError(
            (
                f"{options.lock} says otherwise ({len(told)} sets); pass --update-lock to take "
                f"this in:\n"
            )
            + "\n".join(told[:TOLD])
            + more,
            "lock",
        )


def _check_status(options: argparse.Namespace, status: dict[str, Status]) -> None:
    foreign = [stem for stem, s in status.items() if s is Status.FOREIGN]
    if foreign:
        raise OutputError(
            f"{options.out / foreign[0]}.json was not made by a batch ({len(foreign)} such "
            f"files): choose another --out"
        )
    unready = [stem for stem, s in status.items() if s in (Status.BEGUN, Status.STALE)]
    if unready and not (options.resume or options.update_lock):
        raise OutputError(
            f"{len(unready)} sets in {options.out} are half written or out of date, such as "
            f"{unready[0]}: pass --resume to make them again"
        )


def _made(
    options: argparse.Namespace,
    todo: list[Item],
    folder: Folder,
    client: Any,
    wanted: dict[str, str],
    lock: dict[str, Locked],
    signer: Any,
) -> list[Outcome]:
    outcomes: list[Outcome] = []
    with contextlib.ExitStack() as stack:
        if client is None:
            client = stack.enter_context(connected(options))
        show = stack.enter_context(_progress(len(todo)))
        batch = Batch(
            client, folder, options.jobs, wanted, lock, locking=bool(options.lock), signer=signer
        )
        try:
            for outcome in batch.run(todo):
                outcomes.append(outcome)
                show(outcome)
        except KeyboardInterrupt:
            client.close()
            sys.stderr.write("texgen: interrupted; run the same command with --resume to go on\n")
    done = {outcome.stem for outcome in outcomes}
    return outcomes + [
        Outcome(i.stem, i.line, "not begun", sweep=i.sweep) for i in todo if i.stem not in done
    ]


@contextlib.contextmanager
def _progress(total: int) -> Iterator[Any]:
    """A bar where a person watches; where nobody does, a line for what failed."""
    if not sys.stderr.isatty():
        yield (
            lambda outcome: (
                sys.stderr.write(f"{outcome.stem}: {outcome.why}\n") if outcome.why else None
            )
        )
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


def _write_lock(
    options: argparse.Namespace, lock: dict[str, Locked], outcomes: list[Outcome], wanted: set[str]
) -> None:
    entries = {stem: entry for stem, entry in lock.items() if options.only or stem in wanted}
    if not lock or options.update_lock:
        entries |= {o.stem: o.entry for o in outcomes if o.entry is not None and o.status == "made"}
    if entries != lock:
        write_lock(options.lock, entries)


def _tell_plan(options: argparse.Namespace, items: list[Item], status: dict[str, Status]) -> int:
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


def _tell_end(options: argparse.Namespace, outcomes: list[Outcome], seconds: float) -> int:
    totals = Counter(outcome.status for outcome in outcomes)
    report = {
        "spec": str(options.spec),
        "out": str(options.out),
        "seconds": round(seconds, 3),
        "totals": dict(totals),
    }
    report["sets"] = [{k: v for k, v in asdict(o).items() if k != "entry"} for o in outcomes]
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
        told = ", ".join(f"{count} {status}" for status, count in sorted(totals.items()))
        sys.stdout.write(f"{told} ({seconds:.1f} s)\n")
    return EXIT_SOME_FAILED if totals["failed"] or totals["not begun"] else 0
