# SPDX-License-Identifier: Apache-2.0
"""Is a file what it says it is? Signature, hashes and watermark, weighed against each other."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from texgen.errors import InvalidRequestError, NotFoundError, TexgenError
from texgen.files.pbr_sets import SUFFIXES
from texgen.files.picture import decodes, read_picture
from texgen.modelcard import list_cards
from texgen.provenance.reading import Claims, read_claims, read_note, read_sidecar, read_sidecars
from texgen.provenance.signing import DETACHED_SUFFIX
from texgen.provenance.watermark import Mark, detect, mark_of

LOOKED_AT = SUFFIXES | {".exr", ".ktx2", ".dds", ".glb", ".usda", ".usdz", ".mtlx", ".tres"}
"""Of a folder."""


class Status(StrEnum):
    """What a file turned out to be."""

    SIGNED = "signed"
    UNTRUSTED = "untrusted"
    """Signed, whole, and none of the trusted certificates vouches for the signer."""
    UNSIGNED = "unsigned"
    """Says that texgen made it; nobody vouches for it."""
    TAMPERED = "tampered"
    """Not as it was when it was signed, or written."""
    UNKNOWN = "unknown"
    """Says nothing of texgen."""


@dataclass
class Verdict:
    """Of one file."""

    path: Path
    status: Status
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    signer: str = ""
    trusted: bool = False
    recipe: str = ""
    model: str = ""
    """Id and version where a model of that digest is installed here, else the digest."""
    watermark: str = ""


def paths_of(path: Path) -> Iterator[Path]:
    """The files that a path means: itself, all of a folder, all that a sidecar names.

    Raises NotFoundError.
    """
    if path.is_dir():
        named = {path / name for name in read_sidecars(path)}
        there = {
            p
            for p in path.iterdir()
            if p.is_file() and p.suffix.lower() in LOOKED_AT and not p.name.startswith(".")
        }
        yield from sorted(p for p in named | there if p.suffix != DETACHED_SUFFIX)
    elif not path.is_file():
        raise NotFoundError(f"there is no file {path}")
    elif path.suffix == ".json":
        yield from (
            path.with_name(name)
            for name in read_sidecar(path)["sha256"]
            if not name.endswith(DETACHED_SUFFIX)
        )
    else:
        yield path


class Verifier:
    """Looks at files; keeps the sidecars of their folders."""

    def __init__(
        self,
        trust: str = "",
        *,
        require_signature: bool = False,
        watermarks: bool = True,
        models: Path | None = None,
    ) -> None:
        """``trust``: certificates as PEM, one of which must vouch for each signer; empty: signers
        are told, not judged.
        """
        self._trust, self._require, self._watermarks = trust, require_signature, watermarks
        self._sidecars: dict[Path, dict[str, dict[str, Any]]] = {}
        try:
            self._models = {card.digest: f"{card.id} {card.version}" for card in list_cards(models)}
        except TexgenError:
            self._models = {}

    def sidecar(self, path: Path) -> Mapping[str, Any]:
        """The sidecar that names a file; empty where none does."""
        folder = path.parent
        if folder not in self._sidecars:
            self._sidecars[folder] = read_sidecars(folder)
        return self._sidecars[folder].get(path.name, {})

    def verify(self, path: Path) -> Verdict:
        """One file."""
        with (
            warnings.catch_warnings()
        ):  # decoders warn of damaged files; here that is an answer, not an accident
            warnings.simplefilter("ignore")
            return self._verified(path)

    def _verified(self, path: Path) -> Verdict:
        about = self.sidecar(path)
        verdict = Verdict(path, Status.UNKNOWN)
        try:
            data = path.read_bytes()
        except OSError as error:
            verdict.status = Status.TAMPERED if about else Status.UNKNOWN
            verdict.problems.append(
                f"it cannot be read ({error.strerror})"
                + (f", and {about['path'].name} names it" if about else "")
            )
            return verdict
        claims = read_claims(path, data, self._trust)
        self._weigh(verdict, claims, about, hashlib.sha256(data).hexdigest())
        told = claims.told if claims and claims.whole else {}
        verdict.recipe = str(told.get("recipe") or about.get("recipe") or read_note(path, data))
        digest = str(told.get("model_digest") or about.get("model_digest") or "")
        verdict.model = self._models.get(digest, digest)
        if verdict.status is Status.UNKNOWN and verdict.recipe:
            verdict.status = Status.UNSIGNED
            verdict.notes.append("no sidecar lists its hash: whether it was changed cannot be told")
        if (
            verdict.status is Status.SIGNED
            and path.suffix.lower() in SUFFIXES
            and not decodes(data)
        ):
            verdict.status = Status.TAMPERED
            verdict.problems.append("its picture cannot be decoded")
        if self._watermarks and path.suffix.lower() in SUFFIXES:
            self._look_for_mark(verdict, digest)
        if self._require and verdict.status in (Status.UNSIGNED, Status.UNKNOWN):
            verdict.problems.append("it is not signed")
        return verdict

    def _weigh(
        self, verdict: Verdict, claims: Claims | None, about: Mapping[str, Any], digest: str
    ) -> None:
        if claims is not None:
            self._weigh_claims(verdict, claims, about)
        elif about:
            verdict.status = Status.UNSIGNED
        if not about:
            return
        listed = about["sha256"].get(verdict.path.name)
        if claims is None and "signed_by" in about:
            verdict.status = Status.TAMPERED
            verdict.problems.append(
                f"{about['path'].name} says that it was signed, and its signature is gone"
            )
        if listed != digest:
            verdict.status = Status.TAMPERED
            verdict.problems.append(
                f"it is not the file that {about['path'].name} lists: its SHA-256 differs"
            )

    def _weigh_claims(self, verdict: Verdict, claims: Claims, about: Mapping[str, Any]) -> None:
        verdict.status = Status.SIGNED if claims.whole else Status.TAMPERED
        verdict.signer, verdict.trusted = claims.signer, claims.trusted
        if not claims.whole:
            verdict.problems.append(claims.why or "its manifest does not hold")
        elif self._trust and not claims.trusted:
            verdict.status = Status.UNTRUSTED
            verdict.problems.append(
                f"signed by {claims.signer}, whom none of the trusted certificates vouches for"
            )
        if claims.test_certificate:
            verdict.notes.append("signed with a local test certificate, which proves nothing")
        if not claims.told and claims.whole:
            verdict.notes.append("signed by another program than texgen")
        if claims.told and about.get("recipe") and claims.told.get("recipe") != about["recipe"]:
            verdict.status = Status.TAMPERED
            verdict.problems.append(
                f"{about['path'].name} names another recipe than the one that was signed"
            )

    def _look_for_mark(self, verdict: Verdict, digest: str) -> None:
        try:
            mark = detect(read_picture(verdict.path).pixels)
        except InvalidRequestError:
            return
        if mark is None:
            return
        verdict.watermark = str(mark)
        if verdict.recipe and digest and mark != mark_of(verdict.recipe, digest):
            verdict.status = Status.TAMPERED
            verdict.problems.append(
                f"its watermark ({verdict.watermark}) is that of another recipe"
            )
        elif not verdict.recipe:
            verdict.notes.append(
                f"the watermark is texgen's{self._named(mark)}; nothing else says where it "
                f"comes from"
            )
            verdict.status = Status.UNSIGNED if verdict.status is Status.UNKNOWN else verdict.status

    def _named(self, mark: Mark) -> str:
        found = [name for digest, name in self._models.items() if digest.startswith(mark.model)]
        return f", of model {found[0]}" if found else ""
