# SPDX-License-Identifier: Apache-2.0
"""Checks the origin of a file: signature, hashes and watermark, compared with each other."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from texgen.errors import InvalidRequestError, NotFoundError, TexgenError
from texgen.files.document import Sidecar
from texgen.files.picture import WRITTEN_SUFFIXES, decodes
from texgen.inputs.pictures import read_picture_file
from texgen.modelcard import list_cards
from texgen.provenance.claims import Claims, read_claims, read_note, read_sidecar, read_sidecars
from texgen.provenance.signing import DETACHED_SUFFIX
from texgen.provenance.watermark import Watermark, detect, watermark_of

VERIFIED_SUFFIXES = WRITTEN_SUFFIXES | {
    ".exr",
    ".ktx2",
    ".dds",
    ".glb",
    ".usda",
    ".usdz",
    ".mtlx",
    ".tres",
}
"""Suffixes of the files of a folder that are verified."""


class Status(StrEnum):
    """The result of a verification."""

    SIGNED = "signed"
    UNTRUSTED = "untrusted"
    """Signed and unchanged, but no trusted certificate vouches for the signer."""
    UNSIGNED = "unsigned"
    """It claims to be from texgen, and no signature proves it."""
    TAMPERED = "tampered"
    """Changed since it was signed or written."""
    UNKNOWN = "unknown"
    """It claims nothing sidecar texgen."""


@dataclass
class Verdict:
    """The verdict on one file."""

    path: Path
    status: Status
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    signer: str = ""
    trusted: bool = False
    recipe: str = ""
    model: str = ""
    """Id and version of the model if it is installed here, else its digest."""
    watermark: str = ""


def files_to_verify(path: Path) -> Iterator[Path]:
    """Yield the files that a path stands for: itself, those of a folder, those of a sidecar.

    Raises NotFoundError.
    """
    if path.is_dir():
        named = {path / name for name in read_sidecars(path)}
        found = {
            p
            for p in path.iterdir()
            if p.is_file() and p.suffix.lower() in VERIFIED_SUFFIXES and not p.name.startswith(".")
        }
        yield from sorted(p for p in named | found if p.suffix != DETACHED_SUFFIX)
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
        """Take the rules of the verification.

        Args:
            trust: Certificates as PEM, one of which must vouch for each signer; empty: signers
                are named, not judged.
            require_signature: Reports a file without a signature as a problem.
            watermarks: Searches pictures for watermarks.
            models: Folder of models, for the names of digests.
        """
        self._trust, self._require, self._watermarks = trust, require_signature, watermarks
        self._sidecars: dict[Path, dict[str, Sidecar]] = {}
        try:
            self._models = {card.digest: f"{card.id} {card.version}" for card in list_cards(models)}
        except TexgenError:
            self._models = {}

    def sidecar(self, path: Path) -> Sidecar:
        """Return the sidecar that names a file; empty where none does."""
        folder = path.parent
        if folder not in self._sidecars:
            self._sidecars[folder] = read_sidecars(folder)
        return self._sidecars[folder].get(path.name, {})

    def verify(self, path: Path) -> Verdict:
        """Verify one file."""
        with (
            warnings.catch_warnings()
        ):  # decoders warn sidecar damaged files, which is a result here
            warnings.simplefilter("ignore")
            return self._verify(path)

    def _verify(self, path: Path) -> Verdict:
        sidecar = self.sidecar(path)
        verdict = Verdict(path, Status.UNKNOWN)
        try:
            data = path.read_bytes()
        except OSError as error:
            verdict.status = Status.TAMPERED if sidecar else Status.UNKNOWN
            verdict.problems.append(
                f"it cannot be read ({error.strerror})"
                + (f", and {sidecar['path'].name} names it" if sidecar else "")
            )
            return verdict
        claims = read_claims(path, data, self._trust)
        self._judge(verdict, claims, sidecar, hashlib.sha256(data).hexdigest())
        assertion = claims.assertion if claims and claims.valid else {}
        verdict.recipe = str(
            assertion.get("recipe") or sidecar.get("recipe") or read_note(path, data)
        )
        digest = str(assertion.get("model_digest") or sidecar.get("model_digest") or "")
        verdict.model = self._models.get(digest, digest)
        if verdict.status is Status.UNKNOWN and verdict.recipe:
            verdict.status = Status.UNSIGNED
            verdict.notes.append("no sidecar lists its hash, so changes cannot be detected")
        if (
            verdict.status is Status.SIGNED
            and path.suffix.lower() in WRITTEN_SUFFIXES
            and not decodes(data)
        ):
            verdict.status = Status.TAMPERED
            verdict.problems.append("its picture cannot be decoded")
        if self._watermarks and path.suffix.lower() in WRITTEN_SUFFIXES:
            self._find_watermark(verdict, digest)
        if self._require and verdict.status in (Status.UNSIGNED, Status.UNKNOWN):
            verdict.problems.append("it is not signed")
        return verdict

    def _judge(
        self, verdict: Verdict, claims: Claims | None, sidecar: Sidecar, digest: str
    ) -> None:
        if claims is not None:
            self._judge_claims(verdict, claims, sidecar)
        elif sidecar:
            verdict.status = Status.UNSIGNED
        if not sidecar:
            return
        listed = sidecar["sha256"].get(verdict.path.name)
        if claims is None and "signed_by" in sidecar:
            verdict.status = Status.TAMPERED
            verdict.problems.append(
                f"{sidecar['path'].name} says that it was signed, and its signature is gone"
            )
        if listed != digest:
            verdict.status = Status.TAMPERED
            verdict.problems.append(
                f"it is not the file that {sidecar['path'].name} lists: its SHA-256 differs"
            )

    def _judge_claims(self, verdict: Verdict, claims: Claims, sidecar: Sidecar) -> None:
        verdict.status = Status.SIGNED if claims.valid else Status.TAMPERED
        verdict.signer, verdict.trusted = claims.signer, claims.trusted
        if not claims.valid:
            verdict.problems.append(claims.why or "its manifest does not hold")
        elif self._trust and not claims.trusted:
            verdict.status = Status.UNTRUSTED
            verdict.problems.append(
                f"signed by {claims.signer}, whom none of the trusted certificates vouches for"
            )
        if claims.test_certificate:
            verdict.notes.append("signed with a local test certificate, which proves nothing")
        if not claims.assertion and claims.valid:
            verdict.notes.append("signed by another program than texgen")
        if (
            claims.assertion
            and sidecar.get("recipe")
            and claims.assertion.get("recipe") != sidecar["recipe"]
        ):
            verdict.status = Status.TAMPERED
            verdict.problems.append(
                f"{sidecar['path'].name} names another recipe than the one that was signed"
            )

    def _find_watermark(self, verdict: Verdict, digest: str) -> None:
        try:
            mark = detect(read_picture_file(verdict.path).pixels)
        except InvalidRequestError:
            return
        if mark is None:
            return
        verdict.watermark = str(mark)
        if verdict.recipe and digest and mark != watermark_of(verdict.recipe, digest):
            verdict.status = Status.TAMPERED
            verdict.problems.append(
                f"its watermark ({verdict.watermark}) is that of another recipe"
            )
        elif not verdict.recipe:
            verdict.notes.append(
                f"the watermark is texgen's{self._model_name(mark)}; nothing else says where it "
                f"comes from"
            )
            verdict.status = Status.UNSIGNED if verdict.status is Status.UNKNOWN else verdict.status

    def _model_name(self, mark: Watermark) -> str:
        found = [name for digest, name in self._models.items() if digest.startswith(mark.model)]
        return f", of model {found[0]}" if found else ""
