# SPDX-License-Identifier: Apache-2.0
"""``texgen batch``: generates the texture sets of a spec file into a folder.

It can be resumed, and never generates a set twice.
"""

from __future__ import annotations

import argparse
import contextlib
import fnmatch
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from texgen.batch.check import check_items
from texgen.batch.item import Item
from texgen.batch.lock import LockEntry, changes, read_lock, write_lock
from texgen.batch.run import Batch, Outcome
from texgen.batch.spec import read_spec
from texgen.batch.state import BatchFolder, Status, request_digest
from texgen.commands.batch_report import outcome_progress, print_plan, write_report
from texgen.commands.shared import (
    Commands,
    add_connection,
    add_parser,
    add_signing,
    load_signer,
    open_client,
)
from texgen.errors import InvalidRequestError, OutputError
from texgen.gallery.build import write_gallery
from texgen.modelcard import find_card
from texgen.provenance.signing import Signer

if TYPE_CHECKING:
    from texgen.client import Client

MAX_NAMED = 20
"""Most sets that a message names."""


@dataclass(frozen=True)
class BatchState:
    """Items, folder and lock of a run, as they are before any work."""

    items: list[Item]
    folder: BatchFolder
    digests: dict[str, str]
    """Digests of the requests by stem."""
    models: dict[str, str]
    """Digests of the models by id."""
    lock: dict[str, LockEntry]
    signer: Signer | None
    status: dict[str, Status]
    """Status of each set by stem."""

    def pending(self) -> list[Item]:
        """Return the items that must be generated."""
        return [item for item in self.items if self.status[item.stem] is not Status.READY]


def add_batch(commands: Commands) -> None:
    """Add ``texgen batch``."""
    parser = add_parser(
        commands,
        "batch",
        "Generate all texture sets of a spec file; existing ones are kept.",
        "texgen batch textures.toml --out build/textures --preset unreal --report report.json",
    )
    _add_spec(parser)
    _add_outputs(parser)
    add_signing(parser)
    add_connection(parser)
    parser.set_defaults(run=_batch)


def _add_spec(parser: argparse.ArgumentParser) -> None:
    """Add the spec, the folder and how they are worked through."""
    parser.add_argument("spec", type=Path, metavar="SPEC", help="a .toml, .json or .csv file")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for the files, flat"
    )
    parser.add_argument(
        "--preset", default="", metavar="NAME|TOML", help="preset of sets that name none"
    )
    parser.add_argument(
        "--jobs", type=int, default=4, metavar="N", help="requests in flight (default 4)"
    )
    parser.add_argument(
        "--resume", action="store_true", help="regenerate sets that are half written or out of date"
    )


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    """Add the choice of sets and the further outputs."""
    parser.add_argument(
        "--only",
        default="",
        metavar="GLOB",
        help="only sets whose name matches, such as 'castle_*'",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="print what would be done, and do nothing"
    )
    parser.add_argument(
        "--report", type=Path, metavar="FILE", help="JSON: the outcome of every set"
    )
    parser.add_argument(
        "--lock",
        type=Path,
        metavar="FILE",
        help="recipes and hashes: the first run writes it, later ones must give the same sets",
    )
    parser.add_argument(
        "--update-lock",
        action="store_true",
        help="write changes of spec and model into the lock",
    )
    parser.add_argument(
        "--gallery", action="store_true", help="also write gallery.html, a page that shows them"
    )
    parser.add_argument(
        "--json", action="store_true", help="the report on stdout, progress on stderr"
    )


def _batch(options: argparse.Namespace) -> int:
    started = time.monotonic()
    items = _items(options)
    if options.server is None:
        check_items(items, options.models)
        return _run(options, items, None, started)
    with open_client(options) as client:
        return _run(options, items, client, started)


def _items(options: argparse.Namespace) -> list[Item]:
    """Read the spec and choose the sets of ``--only``. Raises InvalidRequestError."""
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
    options: argparse.Namespace, items: list[Item], client: Client | None, started: float
) -> int:
    state = _state(options, items, client)
    if options.dry_run:
        return print_plan(options, items, state.status)
    _check_status(options, state.status)
    outcomes = [
        Outcome(i.stem, i.line, "up to date", sweep=i.sweep)
        for i in items
        if state.status[i.stem] is Status.READY
    ]
    pending = state.pending()
    if pending:
        state.folder.prepare()
        outcomes += _generate(options, state, pending, client)
        if not any(o.status == "failed" for o in outcomes):
            state.folder.end()
    if options.lock:
        _write_lock(options, state, outcomes)
    if options.gallery and (pending or not (options.out / "gallery.html").is_file()):
        write_gallery(options.out, options.spec.stem)
    return write_report(options, outcomes, time.monotonic() - started)


def _state(options: argparse.Namespace, items: list[Item], client: Client | None) -> BatchState:
    """Compare spec, lock and folder. Raises InvalidRequestError where the lock differs."""
    models = _model_digests(options, items, client)
    digests = {
        item.stem: request_digest(item, models[item.request.get("model", "")]) for item in items
    }
    lock = read_lock(options.lock) if options.lock else {}
    _check_lock(options, items, digests, models, lock)
    folder, signer = BatchFolder(options.out), load_signer(options)
    status = {}
    for item in items:
        found = folder.status(item, digests[item.stem], signed=signer is not None)
        unlocked = options.lock and found is Status.READY and item.stem not in lock
        status[item.stem] = Status.UNLOCKED if unlocked else found
    return BatchState(items, folder, digests, models, lock, signer, status)


def _model_digests(
    options: argparse.Namespace, items: list[Item], client: Client | None
) -> dict[str, str]:
    """Return the digests of all models that the spec names, from the server or installed here."""
    names = {item.request.get("model", "") for item in items}
    if client is not None:
        return {name: client.get_model(name).digest for name in names}
    return {name: find_card(name, options.models).digest for name in names}


def _check_lock(
    options: argparse.Namespace,
    items: list[Item],
    digests: dict[str, str],
    models: dict[str, str],
    lock: dict[str, LockEntry],
) -> None:
    """Refuse a spec that differs from its lock, unless the lock is to be updated."""
    if not lock or options.update_lock:
        return
    wanted = {
        item.stem: (digests[item.stem], models[item.request.get("model", "")]) for item in items
    }
    found = [
        change
        for change in changes(wanted, lock)
        if not (options.only and change.endswith("any more"))
    ]
    if found:
        more = f"\n... and {len(found) - MAX_NAMED} more" if len(found) > MAX_NAMED else ""
        raise InvalidRequestError(
            f"{options.lock} says otherwise ({len(found)} sets); pass --update-lock to take "
            f"this in:\n" + "\n".join(found[:MAX_NAMED]) + more,
            "lock",
        )


def _check_status(options: argparse.Namespace, status: dict[str, Status]) -> None:
    """Refuse sets that are in the way, or unfinished without ``--resume``. Raises OutputError."""
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


def _generate(
    options: argparse.Namespace, state: BatchState, pending: list[Item], client: Client | None
) -> list[Outcome]:
    """Generate the pending sets; after Ctrl+C those that were not begun are listed as such."""
    outcomes: list[Outcome] = []
    lock = {} if options.update_lock else state.lock
    with contextlib.ExitStack() as stack:
        client = client or stack.enter_context(open_client(options))
        show = stack.enter_context(outcome_progress(len(pending)))
        batch = Batch(
            client,
            state.folder,
            options.jobs,
            state.digests,
            lock,
            locking=bool(options.lock),
            signer=state.signer,
        )
        try:
            for outcome in batch.run(pending):
                outcomes.append(outcome)
                show(outcome)
        except KeyboardInterrupt:
            client.close()
            sys.stderr.write("texgen: interrupted; run the same command with --resume to go on\n")
    done = {outcome.stem for outcome in outcomes}
    return outcomes + [
        Outcome(i.stem, i.line, "not begun", sweep=i.sweep) for i in pending if i.stem not in done
    ]


def _write_lock(options: argparse.Namespace, state: BatchState, outcomes: list[Outcome]) -> None:
    lock, wanted = state.lock, set(state.digests)
    entries = {stem: entry for stem, entry in lock.items() if options.only or stem in wanted}
    if not lock or options.update_lock:
        entries |= {o.stem: o.entry for o in outcomes if o.entry is not None and o.status == "made"}
    if entries != lock:
        write_lock(options.lock, entries)
