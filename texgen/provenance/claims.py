# SPDX-License-Identifier: Apache-2.0
"""Reads the claims about a file: its signed manifest, the sidecar that names it, a text note."""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from texgen.errors import InvalidRequestError
from texgen.files.document import JsonObject, Sidecar
from texgen.files.images import MAX_DECODED_PIXELS
from texgen.provenance.manifest import RECIPE_LABEL
from texgen.provenance.signing import DETACHED, DETACHED_SUFFIX, EMBEDDED, load_c2pa
from texgen.provenance.trial_certificate import TEST_NAME

MAX_SIDECAR_BYTES = 16 * 2**20
MARKERS = (b"jumb", b"c2pa")
"""Bytes that every manifest contains; a file without them has none, and c2pa is not loaded."""
NOTE = "texgen:recipe"
_IN_TIFF = re.compile(rf"{NOTE}=(tg1x?:\S+?)(?:;|$)")


@dataclass(frozen=True)
class Claims:
    """The content of a signed manifest and its validity."""

    valid: bool
    """True when the file is as it was signed."""
    why: str
    """Reason why it is not valid."""
    trusted: bool
    """True when a certificate that the reader named vouches for the signer."""
    signer: str = ""
    test_certificate: bool = False
    assertion: Sidecar = field(default_factory=dict)
    """Texgen's assertion: recipe, model, model_digest, ...; empty where another program signed."""


def read_claims(path: Path, data: bytes, trust: str = "") -> Claims | None:
    """Read the manifest in a file or beside it; None where there is none.

    ``trust`` are certificates as PEM. Nothing is fetched from a network.
    """
    beside = path.with_name(path.name + DETACHED_SUFFIX)
    kind = EMBEDDED.get(path.suffix.lower(), DETACHED)
    if kind != DETACHED and all(marker in data for marker in MARKERS):
        return _claims(kind, data, None, trust)
    return _claims(kind, data, beside.read_bytes(), trust) if beside.is_file() else None


def _claims(kind: str, data: bytes, store: bytes | None, trust: str) -> Claims | None:
    c2pa = load_c2pa()
    settings: JsonObject = {
        "verify": {"verify_trust": True, "remote_manifest_fetch": False, "ocsp_fetch": False}
    }
    if trust:
        settings["trust"] = {"trust_anchors": trust}
    try:
        with c2pa.Reader(
            kind, io.BytesIO(data), store, c2pa.Context(c2pa.Settings.from_dict(settings))
        ) as reader:
            state, document = reader.get_validation_state(), json.loads(reader.json())
    except c2pa.C2paError.ManifestNotFound:
        return (
            None
            if store is None
            else Claims(valid=False, why="its manifest cannot be read", trusted=False)
        )
    except c2pa.C2paError as error:
        return Claims(
            valid=False, why=f"its manifest cannot be read ({str(error)[:120]})", trusted=False
        )
    return _claims_of(state, document)


def _claims_of(state: str, document: JsonObject) -> Claims:
    """Return the claims of the active manifest."""
    active = document.get("manifests", {}).get(document.get("active_manifest", ""), {})
    signature = active.get("signature_info", {})
    codes = [entry["code"] for entry in document.get("validation_status", [])]
    wrong = [code for code in codes if code != "signingCredential.untrusted"]
    name = str(signature.get("common_name") or signature.get("issuer") or "")
    assertion: Sidecar = next(
        (a["data"] for a in active.get("assertions", []) if a["label"] == RECIPE_LABEL), {}
    )
    return Claims(
        valid=state in ("Valid", "Trusted"),
        why=_explain(wrong),
        trusted=state == "Trusted",
        signer=name,
        test_certificate=TEST_NAME in name,
        assertion=assertion if isinstance(assertion, dict) else {},
    )


def _explain(codes: list[str]) -> str:
    """Explain status codes of the C2PA specification."""
    known = {
        "assertion.dataHash.mismatch": "it was changed after it was signed",
        "assertion.hashedURI.mismatch": "its manifest was changed after it was signed",
        "claimSignature.mismatch": "its signature does not fit",
        "signingCredential.expired": "its certificate had expired",
        "signingCredential.invalid": "its certificate is not valid for signing",
    }
    return "; ".join(dict.fromkeys(known.get(code, code) for code in codes))


def read_note(path: Path, data: bytes) -> str:
    """Read the recipe in a picture's text; empty where there is none."""
    if path.suffix.lower() not in (".png", ".tif", ".tiff"):
        return ""
    try:
        with Image.open(io.BytesIO(data), formats=["PNG", "TIFF"]) as picture:
            if picture.width * picture.height > MAX_DECODED_PIXELS:
                return ""
            if picture.format == "PNG":
                return str(picture.info.get(NOTE, ""))
            found = _IN_TIFF.search(str(picture.tag_v2.get(270, "")))  # type: ignore[attr-defined]
            return found[1] if found else ""
    except (OSError, SyntaxError, ValueError):
        return ""


def read_sidecars(folder: Path) -> dict[str, Sidecar]:
    """Read the sidecars of a folder by the names of the files that they list.

    Each has its own path as ``"path"``.
    """
    named: dict[str, Sidecar] = {}
    for path in sorted(folder.glob("*.json")):
        try:
            sidecar = read_sidecar(path)
        except InvalidRequestError:
            continue
        named |= {str(name): sidecar | {"path": path} for name in sidecar["sha256"]}
    return named


def read_sidecar(path: Path) -> Sidecar:
    """Read a sidecar of texgen that lists the hashes of its files.

    Raises InvalidRequestError for any other file.
    """
    try:
        if path.stat().st_size > MAX_SIDECAR_BYTES:
            raise InvalidRequestError(
                f"{path} has more than {MAX_SIDECAR_BYTES} bytes: that is no sidecar", "path"
            )
        sidecar = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidRequestError(f"cannot read {path}: {error.strerror}", "path") from error
    except (ValueError, RecursionError) as error:
        raise InvalidRequestError(f"{path} is no sidecar of texgen", "path") from error
    ours = (
        isinstance(sidecar, dict)
        and str(sidecar.get("generator", "")).startswith("texgen")
        and isinstance(sidecar.get("sha256"), dict)
    )
    if not ours:
        raise InvalidRequestError(f"{path} is no sidecar of texgen that lists hashes", "path")
    if unsafe := [
        name for name in sidecar["sha256"] if Path(name).name != name or name in ("", "..")
    ]:
        raise InvalidRequestError(
            f"{path} names {unsafe[0]!r}: a sidecar names files beside it, without folders", "path"
        )
    return dict(sidecar)
