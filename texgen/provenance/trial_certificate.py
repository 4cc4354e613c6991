# SPDX-License-Identifier: Apache-2.0
"""Makes a certificate to try signing with; its name says that it proves nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.x509 import Certificate, KeyUsage, Name

TEST_NAME = "texgen local test certificate, proves nothing"
ROOT_FILE, CHAIN_FILE, KEY_FILE = "test_root.pem", "test_cert.pem", "test_key.pem"
DAYS = 365


def make_test_certificate(days: int = DAYS) -> dict[str, bytes]:
    """Return the contents of three files by name: a root to trust (``--trust``), a certificate
    under it (``--sign``), and its key (``--sign-key``).
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    pem = serialization.Encoding.PEM
    root_key, own_key = (
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP256R1()),
    )
    root = _certificate("root", root_key, root_key, days, authority=True)
    own = _certificate("signer", own_key, root_key, days, authority=False)
    private = own_key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {
        ROOT_FILE: root.public_bytes(pem),
        CHAIN_FILE: own.public_bytes(pem) + root.public_bytes(pem),
        KEY_FILE: private,
    }


def _certificate(
    role: str,
    key: EllipticCurvePrivateKey,
    issuer_key: EllipticCurvePrivateKey,
    days: int,
    *,
    authority: bool,
) -> Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID

    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(role))
        .issuer_name(_name("root"))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(_usage(authority=authority), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
    )
    if not authority:
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False
        )
    return builder.sign(issuer_key, hashes.SHA256())


def _name(role: str) -> Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    organization = x509.NameAttribute(NameOID.ORGANIZATION_NAME, TEST_NAME)
    return x509.Name(
        [
            organization,
            x509.NameAttribute(
                NameOID.COMMON_NAME, TEST_NAME if role == "signer" else f"{TEST_NAME} ({role})"
            ),
        ]
    )


def _usage(*, authority: bool) -> KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )
