# SPDX-License-Identifier: Apache-2.0
"""Files -> signed files.

What C2PA can hold carries its manifest inside; any other file gets one beside it, ``<name>.c2pa``.
"""

from __future__ import annotations

import io
import json
import os
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from texgen.errors import InvalidRequestError
from texgen.provenance.manifest import manifest, training

EMBEDDED = {
    ".png": "image/png",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
}
DETACHED = "application/octet-stream"
DETACHED_SUFFIX = ".c2pa"
CERT_VARIABLE, KEY_VARIABLE, PASSWORD_VARIABLE = (
    "TEXGEN_SIGN_CERT",
    "TEXGEN_SIGN_KEY",
    "TEXGEN_SIGN_PASSWORD",
)


class Signer:
    """Signs with one certificate. Safe to use from any thread."""

    def __init__(
        self, certificate: Path, key: Path | None = None, models: Path | None = None
    ) -> None:
        """``certificate`` is a PEM file: the signer's own first, then those that vouch for it.
        ``key`` is a PEM file, by default the certificate's own. Raises InvalidRequestError for
        what cannot sign: expired, another key, a kind that C2PA does not take.
        """
        c2pa = load_c2pa()
        chain, private, algorithm, self.name = _credentials(certificate, key or certificate)
        self._trained = training(models)
        self._lock = threading.Lock()
        try:
            info = c2pa.C2paSignerInfo(algorithm, chain.encode(), private.encode(), None)
            self._signer = c2pa.Signer.from_info(info)
            self._context = c2pa.Context(
                c2pa.Settings.from_dict({"builder": {"thumbnail": {"enabled": False}}})
            )
            self._sign("probe.bin", b"probe", {})
        except c2pa.C2paError as error:
            raise InvalidRequestError(f"{certificate} cannot sign: {error}", "sign") from error

    def signed(
        self, contents: Mapping[str, bytes | memoryview], about: Mapping[str, Any]
    ) -> dict[str, bytes]:
        """File name -> content of the signed files, and of the manifests beside those that hold
        none. ``about`` is their sidecar.
        """
        made: dict[str, bytes] = {}
        for name, data in contents.items():
            with self._lock:
                made |= self._sign(name, bytes(data), about)
        return made

    def _sign(self, name: str, data: bytes, about: Mapping[str, Any]) -> dict[str, bytes]:
        kind = EMBEDDED.get(Path(name).suffix.lower(), DETACHED)
        builder = load_c2pa().Builder(
            json.dumps(manifest(name, about, self._trained)), self._context
        )
        if kind == DETACHED:
            builder.set_no_embed()
        out = io.BytesIO()
        store = builder.sign(self._signer, kind, io.BytesIO(data), out)
        return (
            {name: data, name + DETACHED_SUFFIX: bytes(store)}
            if kind == DETACHED
            else {name: out.getvalue()}
        )


def wanted_signer(
    certificate: Path | None, key: Path | None, models: Path | None = None
) -> Signer | None:
    """The signer that was asked for, else the one of the environment (``TEXGEN_SIGN_CERT``,
    ``TEXGEN_SIGN_KEY``), else none.
    """
    if certificate is None and (configured := os.environ.get(CERT_VARIABLE)):
        certificate = Path(configured)
        key = key or (Path(os.environ[KEY_VARIABLE]) if os.environ.get(KEY_VARIABLE) else None)
    if certificate is None:
        if key is not None:
            raise InvalidRequestError("--sign-key goes with --sign CERT", "sign_key")
        return None
    return Signer(certificate, key, models)


def load_c2pa() -> Any:
    """The library. Raises InvalidRequestError where it is not installed."""
    try:
        import c2pa
    except ImportError as error:
        raise InvalidRequestError(
            "signatures need the c2pa library: pip install 'texgen[provenance]'", "sign"
        ) from error
    return c2pa


def _credentials(certificate: Path, key: Path) -> tuple[str, str, str, str]:
    """(chain as PEM, private key as PEM, algorithm of C2PA, the signer's name)."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    try:
        chain = x509.load_pem_x509_certificates(certificate.read_bytes())
        password = os.environ.get(PASSWORD_VARIABLE, "").encode() or None
        private: Any = serialization.load_pem_private_key(key.read_bytes(), password)
    except OSError as error:
        raise InvalidRequestError(
            f"cannot read {error.filename}: {error.strerror}", "sign"
        ) from error
    except TypeError as error:
        raise InvalidRequestError(
            f"{key}: {error}; the password of an encrypted key is taken from {PASSWORD_VARIABLE}",
            "sign",
        ) from error
    except ValueError as error:
        what = (
            f"{certificate} holds no certificates"
            if b"CERTIFICATE" not in certificate.read_bytes()
            else f"{key} holds no usable key"
        )
        raise InvalidRequestError(f"{what} in PEM form ({str(error)[:120]})", "sign") from error
    own, now = chain[0], datetime.now(UTC)
    if not own.not_valid_before_utc <= now <= own.not_valid_after_utc:
        raise InvalidRequestError(
            f"{certificate} is valid from {own.not_valid_before_utc:%Y-%m-%d} to "
            f"{own.not_valid_after_utc:%Y-%m-%d}: not now",
            "sign",
        )
    if own.subject == own.issuer:
        raise InvalidRequestError(
            f"{certificate} is self-signed: sign with one that an authority vouches for, put "
            f"first in the file",
            "sign",
        )
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    if own.public_key().public_bytes(*form) != private.public_key().public_bytes(*form):
        raise InvalidRequestError(
            f"{key} is not the key of {certificate}: give the one that it was made with "
            f"(--sign-key)",
            "sign",
        )
    pem = "".join(c.public_bytes(serialization.Encoding.PEM).decode() for c in chain)
    private_pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    return pem, private_pem, _algorithm(private), own.subject.rfc4514_string()


def _algorithm(private: Any) -> str:
    """Name of the signature that fits a key."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(private, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(private, rsa.RSAPrivateKey):
        return "ps256"
    curves = {256: "es256", 384: "es384", 521: "es512"}
    if isinstance(private, ec.EllipticCurvePrivateKey) and private.curve.key_size in curves:
        return curves[private.curve.key_size]
    raise InvalidRequestError(
        f"a key of kind {type(private).__name__} cannot sign: EC (P-256, P-384, P-521), "
        f"Ed25519 or RSA can",
        "sign",
    )
