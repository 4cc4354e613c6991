# SPDX-License-Identifier: Apache-2.0
"""Files -> what they say of themselves: a signed manifest in or beside them, a sidecar that names
them, a note, a watermark.
"""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from texgen.errors import InvalidRequestError
from texgen.files.images import MAX_DECODED_PIXELS
from texgen.provenance.manifest import RECIPE_LABEL
from texgen.provenance.signing import DETACHED, DETACHED_SUFFIX, EMBEDDED, load_c2pa
from texgen.provenance.trial import TEST_NAME

MOST_SIDECAR_BYTES = 16 * 2**20
MARKERS = (b"jumb", b"c2pa")
"""Stand in every manifest: a file without them has none, and the library is not asked for."""
NOTE = "texgen:recipe"
_IN_TIFF = re.compile(rf"{NOTE}=(tg1x?:\S+?)(?:;|$)")


@dataclass(frozen=True)
class Claims:
    """What a signed manifest says, and whether it holds."""

    whole: bool
    """The file is as it was when it was signed."""
    why: str
    """What is wrong where it is not whole."""
    trusted: bool
    """The signer is vouched for by a certificate that the reader named."""
    signer: str = ""
    test_certificate: bool = False
    told: dict[str, Any] = field(default_factory=dict)
    """Our assertion: recipe, model, model_digest, ...

    Empty where somebody else's program signed.
    """


def read_claims(path: Path, data: bytes, trust: str = "") -> Claims | None:
    """The manifest in a file or beside it; None where there is none.

    ``trust``: certificates as PEM. Nothing is fetched from anywhere.
    """
    beside = path.with_name(path.name + DETACHED_SUFFIX)
    kind = EMBEDDED.get(path.suffix.lower(), DETACHED)
    if kind != DETACHED and all(marker in data for marker in MARKERS):
        return _claims(kind, data, None, trust)
    return _claims(kind, data, beside.read_bytes(), trust) if beside.is_file() else None


def _claims(kind: str, data: bytes, store: bytes | None, trust: str) -> Claims | None:
    c2pa = load_c2pa()
    settings: dict[str, Any] = {
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
            else Claims(whole=False, why="its manifest cannot be read", trusted=False)
        )
    except c2pa.C2paError as error:
        return Claims(
            whole=False, why=f"its manifest cannot be read ({str(error)[:120]})", trusted=False
        )
    return _judged(state, document)


def _judged(state: str, document: dict[str, Any]) -> Claims:
    """The active manifest, in our words."""
    active = document.get("manifests", {}).get(document.get("active_manifest", ""), {})
    signature = active.get("signature_info", {})
    codes = [entry["code"] for entry in document.get("validation_status", [])]
    wrong = [code for code in codes if code != "signingCredential.untrusted"]
    name = str(signature.get("common_name") or signature.get("issuer") or "")
    told: Any = next(
        (a["data"] for a in active.get("assertions", []) if a["label"] == RECIPE_LABEL), {}
    )
    return Claims(
        whole=state in ("Valid", "Trusted"),
        why=_words(wrong),
        trusted=state == "Trusted",
        signer=name,
        test_certificate=TEST_NAME in name,
        told=told if isinstance(told, dict) else {},
    )


def _words(codes: list[str]) -> str:
    """Codes of the C2PA specification, the usual ones in words."""
    known = {
        "assertion.dataHash.mismatch": "it was changed after it was signed",
        "assertion.hashedURI.mismatch": "its manifest was changed after it was signed",
        "claimSignature.mismatch": "its signature does not fit",
        "signingCredential.expired": "its certificate had expired",
        "signingCredential.invalid": "its certificate is not valid for signing",
    }
    return "; ".join(dict.fromkeys(known.get(code, code) for code in codes))


def read_note(path: Path, data: bytes) -> str:
    """The recipe in a picture's text; empty where there is none."""
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


def read_sidecars(folder: Path) -> dict[str, dict[str, Any]]:
    """File name -> the sidecar of texgen that names it, for all files of a folder that one names.

    The sidecar's own path is ``"path"``.
    """
    named: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.glob("*.json")):
        try:
            about = read_sidecar(path)
        except InvalidRequestError:
            continue
        named |= {str(name): about | {"path": path} for name in about["sha256"]}
    return named


def read_sidecar(path: Path) -> dict[str, Any]:
    """A sidecar of texgen that lists its files' hashes.

    Raises InvalidRequestError for any other file.
    """
    try:
        if path.stat().st_size > MOST_SIDECAR_BYTES:
            raise InvalidRequestError(
                f"{path} has more than {MOST_SIDECAR_BYTES} bytes: that is no sidecar", "path"
            )
        about = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidRequestError(f"cannot read {path}: {error.strerror}", "path") from error
    except (ValueError, RecursionError) as error:
        raise InvalidRequestError(f"{path} is no sidecar of texgen", "path") from error
    ours = (
        isinstance(about, dict)
        and str(about.get("generator", "")).startswith("texgen")
        and isinstance(about.get("sha256"), dict)
    )
    if not ours:
        raise InvalidRequestError(f"{path} is no sidecar of texgen that lists hashes", "path")
    if strange := [
        name for name in about["sha256"] if Path(name).name != name or name in ("", "..")
    ]:
        raise InvalidRequestError(
            f"{path} names {strange[0]!r}: a sidecar names files beside it, without folders", "path"
        )
    return dict(about)
