# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.texgen.provenance.signed_sets import ABOUT, FORMATS, samples, trust, written
from texgen.errors import InvalidRequestError
from texgen.files.images import decode_png
from texgen.files.material import sealed_contents
from texgen.provenance import signing
from texgen.provenance.signing import PASSWORD_VARIABLE, Signer, requested_signer
from texgen.provenance.trial_certificate import (
    CHAIN_FILE,
    KEY_FILE,
    TEST_NAME,
)
from texgen.provenance.verify import Status, Verifier


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_signed_and_says_what_made_it(signed, certificates, name):
    verdict = Verifier(trust(certificates)).verify(signed / name)
    assert (verdict.status, verdict.problems, verdict.trusted) == (Status.SIGNED, [], True)
    assert (verdict.recipe, verdict.model, verdict.signer) == ("tg1:x", "ab" * 32, TEST_NAME)
    assert any("proves nothing" in note for note in verdict.notes)


def test_signing_changes_no_pixel_and_unsigned_files_stay_the_same_bytes(signed):
    assert np.array_equal(
        decode_png((signed / "colour.png").read_bytes()), decode_png(samples()["colour.png"])
    )
    assert (signed / "map.exr").read_bytes() == samples()["map.exr"]
    assert sealed_contents(samples(), ABOUT, "set") == sealed_contents(samples(), ABOUT, "set")


def pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def certificate(
    key, issuer_key, *, days=(-1, 9), usage=ExtendedKeyUsageOID.EMAIL_PROTECTION, issuer="root"
):
    now = dt.datetime.now(dt.UTC)
    named = [
        x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, n)])
        for n in ("someone", issuer)
    ]
    builder = (
        x509.CertificateBuilder()
        .subject_name(named[0])
        .issuer_name(named[1])
        .public_key(key.public_key())
    )
    builder = (
        builder.serial_number(7)
        .not_valid_before(now + dt.timedelta(days[0]))
        .not_valid_after(now + dt.timedelta(days[1]))
    )
    builder = builder.add_extension(
        x509.BasicConstraints(ca=False, path_length=None), critical=True
    )
    builder = builder.add_extension(
        x509.KeyUsage(True, False, False, False, False, False, False, False, False), critical=True
    ).add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
    )
    if usage:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    return builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP384R1()),
        ec.generate_private_key(ec.SECP521R1()),
        ed25519.Ed25519PrivateKey.generate(),
    ],
    ids=["P-384", "P-521", "Ed25519"],
)
def test_other_kinds_of_keys_sign(tmp_path, key):
    path = tmp_path / "both.pem"
    path.write_bytes(certificate(key, ec.generate_private_key(ec.SECP256R1())) + pem(key))
    made = Signer(path).signed({"a.exr": b"x" * 99}, ABOUT)
    written(tmp_path, made)
    assert Verifier().verify(tmp_path / "a.exr").status is Status.SIGNED


def test_rsa_signs(tmp_path):
    key = rsa.generate_private_key(65537, 2048)
    path = tmp_path / "both.pem"
    path.write_bytes(certificate(key, ec.generate_private_key(ec.SECP256R1())) + pem(key))
    written(tmp_path, Signer(path).signed({"a.exr": b"x" * 99}, ABOUT))
    assert Verifier().verify(tmp_path / "a.exr").status is Status.SIGNED


def test_a_certificate_that_cannot_sign_is_refused_with_the_reason(
    tmp_path, certificates, monkeypatch
):
    key, root = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    wrong = {
        "not now": certificate(key, root, days=(-9, -2)) + pem(key),
        "is not the key": certificate(key, root) + pem(root),
        "cannot sign": certificate(key, root, usage=ExtendedKeyUsageOID.SERVER_AUTH) + pem(key),
        "no certificates": pem(key),
        "no usable key": certificate(key, root),
        "self-signed": certificate(key, key, issuer="someone") + pem(key),
    }
    path = tmp_path / "cert.pem"
    for reason, data in wrong.items():
        path.write_bytes(data)
        with pytest.raises(InvalidRequestError, match=reason):
            Signer(path)
    with pytest.raises(InvalidRequestError, match="cannot read"):
        Signer(tmp_path / "nowhere.pem")
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"open sesame"),
    )
    path.write_bytes(certificate(key, root) + secret)
    with pytest.raises(InvalidRequestError, match=PASSWORD_VARIABLE):
        Signer(path)
    monkeypatch.setenv(PASSWORD_VARIABLE, "open sesame")
    assert Signer(path).name == "CN=someone"


def test_the_signer_of_the_environment_and_of_flags(certificates, monkeypatch):
    assert requested_signer(None, None) is None
    with pytest.raises(InvalidRequestError, match="--sign CERT"):
        requested_signer(None, certificates / KEY_FILE)
    monkeypatch.setenv(signing.CERT_VARIABLE, str(certificates / CHAIN_FILE))
    monkeypatch.setenv(signing.KEY_VARIABLE, str(certificates / KEY_FILE))
    assert TEST_NAME.split(",")[0] in requested_signer(None, None).name
