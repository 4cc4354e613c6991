# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from tests.texgen.batch.specs import SPEC, spec
from texgen.cli import main
from texgen.provenance.signing import Signer
from texgen.provenance.trial_certificate import (
    CHAIN_FILE,
    KEY_FILE,
    make_test_certificate,
)


@pytest.fixture
def run(models, capsys):
    def call(*arguments, embedded=True):
        extra = ["--models", str(models), "--device", "torch"] if embedded else []
        code = main([*arguments, *extra])
        out = capsys.readouterr()
        return code, out.out, out.err

    return call


@pytest.fixture
def brick(run, tmp_path):
    run(
        "generate",
        "--class",
        "brick",
        "--seed",
        "3",
        "--size",
        "64",
        "--out",
        str(tmp_path),
        "--name",
        "brick",
    )
    return tmp_path / "brick.json"


@pytest.fixture
def batch(models, tmp_path, capsys):
    def call(*arguments, text=SPEC, out="out"):
        code = main(
            [
                "batch",
                str(spec(tmp_path, text)),
                "--out",
                str(tmp_path / out),
                *arguments,
                "--models",
                str(models),
                "--device",
                "torch",
            ]
        )
        told = capsys.readouterr()
        return code, told.out, told.err

    return call


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    for name, data in make_test_certificate().items():
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture(scope="module")
def signer(certificates):
    return Signer(certificates / CHAIN_FILE, certificates / KEY_FILE)


@pytest.fixture
def texgen(models, capsys):
    def call(*arguments, ours=True):
        own = ["--models", str(models), "--device", "torch"] if ours else []
        code = main([*map(str, arguments), *own])
        return code, capsys.readouterr()

    return call


@pytest.fixture
def dataset(models, tmp_path, capsys):
    def call(*arguments, out="data"):
        code = main(
            [
                "dataset",
                "--out",
                str(tmp_path / out),
                "--size",
                "64",
                *arguments,
                "--models",
                str(models),
                "--device",
                "torch",
            ]
        )
        told = capsys.readouterr()
        return code, told.out, told.err, tmp_path / out

    return call
