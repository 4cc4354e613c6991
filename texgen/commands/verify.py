# SPDX-License-Identifier: Apache-2.0
"""``texgen verify``: checks where files come from and whether they were changed; ``texgen
certificate``: makes a certificate to try signing with.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from texgen.commands.check import EXIT_PROBLEMS
from texgen.commands.shared import (
    Commands,
    add_connection,
    add_parser,
    open_client,
    print_paths,
    read_file,
)
from texgen.errors import InvalidRequestError, LoadError, NotFoundError
from texgen.files.material import check_output, write_files
from texgen.provenance.regenerate import Regenerator
from texgen.provenance.signing import load_c2pa
from texgen.provenance.trial_certificate import KEY_FILE, make_test_certificate
from texgen.provenance.verify import Status, Verdict, Verifier, files_to_verify


def add_verify(commands: Commands) -> None:
    """Add ``texgen verify``."""
    parser = add_parser(
        commands,
        "verify",
        "Check the origin of files: signed, unsigned, tampered with or unknown; exit code 11 "
        "where something is wrong.",
        "texgen verify textures --trust studio_root.pem --require-signature",
    )
    parser.add_argument(
        "paths",
        type=Path,
        nargs="+",
        metavar="PATH",
        help="files, folders, or sidecars for all files that they list",
    )
    parser.add_argument(
        "--trust",
        type=Path,
        metavar="PEM",
        help="certificates, one of which must vouch for every signer",
    )
    parser.add_argument(
        "--require-signature", action="store_true", help="an unsigned file is a problem"
    )
    parser.add_argument(
        "--regenerate", action="store_true", help="make each file again from its recipe and compare"
    )
    parser.add_argument(
        "--no-watermark",
        action="store_true",
        help="do not search for watermarks (saves 84 ms per picture of 1024 px)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    add_connection(parser)
    parser.set_defaults(run=_verify)


def add_certificate(commands: Commands) -> None:
    """Add ``texgen certificate``."""
    parser = add_parser(
        commands,
        "certificate",
        "Make a certificate for trying out signatures: its name says that it proves nothing.",
        "texgen certificate --test --out certs",
    )
    parser.add_argument(
        "--test",
        action="store_true",
        required=True,
        help="required: a real certificate comes from a certificate authority",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder for root, certificate and key",
    )
    parser.add_argument("--force", action="store_true", help="overwrite existing files")
    parser.set_defaults(run=_certificate, json=False)


def _verify(options: argparse.Namespace) -> int:
    trust = read_file(options.trust, "trust").decode("ascii", "replace") if options.trust else ""
    if options.trust and "BEGIN CERTIFICATE" not in trust:
        raise InvalidRequestError(f"{options.trust} holds no certificate in PEM form", "trust")
    verifier = Verifier(
        trust,
        require_signature=options.require_signature,
        watermarks=not options.no_watermark,
        models=options.models,
    )
    paths = list(dict.fromkeys(path for given in options.paths for path in files_to_verify(given)))
    if not paths:
        raise InvalidRequestError(
            f"there are no files to look at in {', '.join(map(str, options.paths))}", "path"
        )
    verdicts = [verifier.verify(path) for path in paths]
    if options.regenerate:
        _regenerate(options, verifier, verdicts)
    if options.json:
        sys.stdout.write(json.dumps({"files": [asdict(v) for v in verdicts]}, default=str) + "\n")
    else:
        _print(verdicts)
    return EXIT_PROBLEMS if any(v.problems for v in verdicts) else 0


def _regenerate(
    options: argparse.Namespace, verifier: Verifier, verdicts: Sequence[Verdict]
) -> None:
    """Generate each file again from its recipe and compare."""
    with open_client(options) as client:
        regenerator = Regenerator(client)
        for verdict in verdicts:
            if not verdict.recipe or not verdict.path.is_file():
                verdict.notes.append("no recipe: it cannot be made again")
                continue
            try:
                same, finding = regenerator.compare(
                    verdict.path, verdict.recipe, verifier.sidecar(verdict.path)
                )
            except (InvalidRequestError, LoadError, NotFoundError) as error:
                verdict.notes.append(f"not made again: {error}")
                continue
            (verdict.notes if same else verdict.problems).append(finding)
            if not same:
                verdict.status = Status.TAMPERED


def _print(verdicts: Sequence[Verdict]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(
        "file", "status", "signer", "model", "watermark", "notes", box=None, pad_edge=False
    )
    for v in verdicts:
        findings = "; ".join([*v.problems, *v.notes]) or "-"
        signer = f"{v.signer}{' (trusted)' if v.trusted else ''}" or "-"
        row = (v.path.name, v.status, signer, v.model[:24] or "-", v.watermark or "-", findings)
        table.add_row(*row)
    console = Console(width=None if sys.stdout.isatty() else 240, markup=False, highlight=False)
    console.print(table)
    for recipe in dict.fromkeys(v.recipe for v in verdicts if v.recipe):
        console.print(f"recipe {recipe}")


def _certificate(options: argparse.Namespace) -> int:
    load_c2pa()
    contents = make_test_certificate()
    check_output(options.out, list(contents), force=options.force)
    paths = write_files(contents, options.out, force=options.force)
    (options.out / KEY_FILE).chmod(0o600)
    print_paths(options, paths)
    return 0
