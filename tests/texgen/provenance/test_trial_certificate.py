# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from texgen.provenance.trial_certificate import (
    CHAIN_FILE,
    KEY_FILE,
    ROOT_FILE,
    TEST_NAME,
    make_test_certificate,
)


def test_the_root_vouches_for_a_certificate_that_says_it_proves_nothing():
    files = make_test_certificate(days=3)
    own, root = x509.load_pem_x509_certificates(files[CHAIN_FILE])
    assert root == x509.load_pem_x509_certificate(files[ROOT_FILE])
    own.verify_directly_issued_by(root)
    assert TEST_NAME in [name.value for name in own.subject]
    key = serialization.load_pem_private_key(files[KEY_FILE], None)
    assert key.public_key() == own.public_key()
