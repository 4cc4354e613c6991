# SPDX-License-Identifier: Apache-2.0
"""Signs files with C2PA.

A file of a kind that C2PA supports carries its manifest inside; any other gets one beside it,
``<name>.c2pa``.
"""

from __future__ import annotations

import io
import json
import os
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from texgen.errors import InvalidRequestError
from texgen.files.document import Sidecar
from texgen.provenance.manifest import build_manifest, trained_models

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
    from cryptography.x509 import Certificate

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
    """Signs files with one certificate. Safe to use from any thread."""

    def __init__(
        self, certificate: Path, key: Path | None = None, models: Path | None = None
    ) -> None:
        """Load the certificate and the key, and sign a probe.

        Args:
            certificate: PEM file: the signer's certificate first, then those that vouch for it.
            key: PEM file of its private key; None: it is in the certificate's file.
            models: Folder of models whose training is described in the manifests.

        Raises:
            InvalidRequestError: They cannot sign: expired, another key, a kind that C2PA refuses.
        """
        c2pa = load_c2pa()
        chain, private, algorithm, self.name = _credentials(certificate, key or certificate)
        self._trained = trained_models(models)
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
        self, contents: Mapping[str, bytes | memoryview], sidecar: Sidecar
    ) -> dict[str, bytes]:
        """Return the contents of the signed files and of the manifests beside them, by
        file name.
        """
        signed: dict[str, bytes] = {}
        for name, data in contents.items():
            with self._lock:
                signed |= self._sign(name, bytes(data), sidecar)
        return signed

    def _sign(self, name: str, data: bytes, sidecar: Sidecar) -> dict[str, bytes]:
        kind = EMBEDDED.get(Path(name).suffix.lower(), DETACHED)
        builder = load_c2pa().Builder(
            json.dumps(build_manifest(name, sidecar, self._trained)), self._context
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


def requested_signer(
    certificate: Path | None, key: Path | None, models: Path | None = None
) -> Signer | None:
    """Return the signer that is given, else the one of the environment (``TEXGEN_SIGN_CERT``,
    ``TEXGEN_SIGN_KEY``), else None.
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
    """Import the c2pa library. Raises InvalidRequestError where it is not installed."""
    try:
        import c2pa
    except ImportError as error:
        raise InvalidRequestError(
            "signatures need the c2pa library: pip install 'texgen[provenance]'", "sign"
        ) from error
    return c2pa


def _credentials(certificate: Path, key: Path) -> tuple[str, str, str, str]:
    """Read chain and private key as PEM, C2PA's name of the algorithm, and the signer's name.

    Raises InvalidRequestError.
    """
    from cryptography.hazmat.primitives import serialization

    chain, private = _load_pem(certificate, key)
    own = chain[0]
    _check_certificate(certificate, own)
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


def _load_pem(certificate: Path, key: Path) -> tuple[list[Certificate], PrivateKeyTypes]:
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    try:
        chain = x509.load_pem_x509_certificates(certificate.read_bytes())
        password = os.environ.get(PASSWORD_VARIABLE, "").encode() or None
        return chain, serialization.load_pem_private_key(key.read_bytes(), password)
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


def _check_certificate(path: Path, certificate: Certificate) -> None:
    now = datetime.now(UTC)
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise InvalidRequestError(
            f"{path} is valid from {certificate.not_valid_before_utc:%Y-%m-%d} to "
            f"{certificate.not_valid_after_utc:%Y-%m-%d}: not now",
            "sign",
        )
    if certificate.subject == certificate.issuer:
        raise InvalidRequestError(
            f"{path} is self-signed: sign with one that an authority vouches for, put "
            f"first in the file",
            "sign",
        )


def _algorithm(private: PrivateKeyTypes) -> str:
    """Return C2PA's name of the signature algorithm for a key."""
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
