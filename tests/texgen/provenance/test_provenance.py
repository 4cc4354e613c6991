# SPDX-License-Identifier: Apache-2.0
"""Provenance: what is signed verifies, what was changed is found in every format, what is unsigned
is called so.
"""

from __future__ import annotations

import datetime as dt
import io
import json
import random
import shutil

import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from PIL import Image

from tests.texgen.export.test_export import textures
from texgen.cli import main
from texgen.errors import InvalidRequestError
from texgen.export.packing import pack
from texgen.export.preset import load_preset
from texgen.files.images import decode_png, encode_exr, encode_png
from texgen.files.material import sealed_contents
from texgen.maps import ColorSpace
from texgen.modelcard import find_card
from texgen.provenance import signing
from texgen.provenance.regenerate import compare_samples
from texgen.provenance.signing import PASSWORD_VARIABLE, Signer, requested_signer
from texgen.provenance.trial_certificate import (
    CHAIN_FILE,
    KEY_FILE,
    ROOT_FILE,
    TEST_NAME,
    make_test_certificate,
)
from texgen.provenance.verify import Status, Verifier, files_to_verify

ABOUT = {
    "generator": "texgen 0",
    "recipe": "tg1:x",
    "model_digest": "ab" * 32,
    "output_licence": "CC0-1.0",
}
FORMATS = (
    "grey.png",
    "deep.png",
    "colour.png",
    "map.tif",
    "map.exr",
    "ball.glb",
    "set.usdz",
    "map.ktx2",
    "map.dds",
    "material.tres",
)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    for name, data in make_test_certificate().items():
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture(scope="module")
def signer(certificates):
    return Signer(certificates / CHAIN_FILE, certificates / KEY_FILE)


def trust(certificates):
    return (certificates / ROOT_FILE).read_text()


def samples():
    rng = np.random.default_rng(3)
    colour = rng.integers(0, 256, (48, 48, 3)).astype(np.uint8)
    deep = rng.integers(0, 65536, (48, 48, 1)).astype(np.uint16)
    files = {
        "grey.png": encode_png(colour[..., :1], srgb=False),
        "colour.png": encode_png(colour, srgb=True),
    }
    files |= {
        "deep.png": encode_png(deep, srgb=False),
        "map.exr": encode_exr(deep, ColorSpace.DATA),
    }
    ball = pack(textures(), load_preset("gltf"))
    packed = pack(textures(), load_preset("usd"))
    files["ball.glb"] = next(data for name, data in ball.items() if name.endswith(".glb"))
    files["set.usdz"] = next(data for name, data in packed.items() if name.endswith(".usdz"))
    files["map.tif"] = tiff(colour)
    return files | {
        name: rng.bytes(3000) for name in FORMATS if name not in files
    }  # to a manifest beside it, a file is bytes


def tiff(colour):
    buffer = io.BytesIO()
    Image.fromarray(colour).save(buffer, "TIFF", compression="tiff_lzw")
    return buffer.getvalue()


def written(folder, contents):
    folder.mkdir(exist_ok=True)
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture
def signed(tmp_path, signer):
    return written(tmp_path / "signed", sealed_contents(samples(), ABOUT, "set", signer))


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_signed_and_says_what_made_it(signed, certificates, name):
    verdict = Verifier(trust(certificates)).verify(signed / name)
    assert (verdict.status, verdict.problems, verdict.trusted) == (Status.SIGNED, [], True)
    assert (verdict.recipe, verdict.model, verdict.signer) == ("tg1:x", "ab" * 32, TEST_NAME)
    assert any("proves nothing" in note for note in verdict.notes)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("with_sidecar", [True, False])
def test_one_changed_byte_is_found_in_every_format(signed, certificates, name, with_sidecar):
    """With its sidecar any byte.

    Alone it never passes for signed, but for bytes that neither picture nor claims have: the
    manifest's padding.
    """
    if not with_sidecar:
        (signed / "set.json").unlink()
    path = signed / name
    whole, chance = path.read_bytes(), random.Random(name)
    places = [*range(0, 40, 7), *(chance.randrange(len(whole)) for _ in range(60)), len(whole) - 1]
    for place in places:
        changed = bytearray(whole)
        changed[place] ^= 1 << chance.randrange(8)
        path.write_bytes(changed)
        verdict = Verifier(trust(certificates)).verify(path)
        if with_sidecar or verdict.status is not Status.SIGNED:
            assert verdict.status is Status.TAMPERED or not with_sidecar, place
        else:
            assert verdict.recipe == "tg1:x"
            assert np.array_equal(
                np.asarray(Image.open(path)), np.asarray(Image.open(io.BytesIO(whole)))
            ), place
    path.write_bytes(whole[:-5])
    assert Verifier(trust(certificates)).verify(path).status is not Status.SIGNED


@pytest.mark.parametrize("name", ["grey.png", "deep.png", "colour.png", "map.tif"])
def test_one_changed_pixel_is_found(signed, certificates, name):
    """The picture is opened and saved again, with its manifest if the format keeps it."""
    path = signed / name
    pixels = np.array(Image.open(path))
    pixels[5, 7] ^= 1
    Image.fromarray(pixels).save(path)
    verdict = Verifier(trust(certificates)).verify(path)
    assert verdict.status is Status.TAMPERED
    assert verdict.problems


def test_a_signature_that_is_gone_or_anothers_is_found(signed, certificates):
    verifier = Verifier(trust(certificates))
    (signed / "map.exr.c2pa").unlink()
    (signed / "colour.png").write_bytes(samples()["colour.png"])
    shutil.copy(signed / "ball.glb.c2pa", signed / "set.usdz.c2pa")
    for name in ("map.exr", "colour.png", "set.usdz"):
        assert verifier.verify(signed / name).status is Status.TAMPERED, name
    (signed / "map.ktx2").unlink()
    missing = next(p for p in files_to_verify(signed) if p.name == "map.ktx2")
    assert verifier.verify(missing).status is Status.TAMPERED


def test_a_sidecar_that_names_another_recipe_is_found(signed, certificates):
    path = signed / "set.json"
    about = json.loads(path.read_text()) | {"recipe": "tg1:other"}
    path.write_text(json.dumps(about))
    verdict = Verifier(trust(certificates)).verify(signed / "grey.png")
    assert verdict.status is Status.TAMPERED
    assert "another recipe" in verdict.problems[0]


def test_unsigned_files_are_called_unsigned_and_strangers_unknown(tmp_path, certificates):
    folder = written(tmp_path / "plain", sealed_contents(samples(), ABOUT, "set"))
    verifier = Verifier(trust(certificates))
    assert {verifier.verify(p).status for p in files_to_verify(folder)} == {Status.UNSIGNED}
    assert Verifier(require_signature=True).verify(folder / "grey.png").problems == [
        "it is not signed"
    ]
    (folder / "grey.png").write_bytes(samples()["colour.png"])
    assert verifier.verify(folder / "grey.png").status is Status.TAMPERED
    stranger = tmp_path / "stranger.png"
    stranger.write_bytes(samples()["grey.png"])
    assert verifier.verify(stranger).status is Status.UNKNOWN
    noted = tmp_path / "noted.png"
    noted.write_bytes(
        encode_png(np.zeros((4, 4, 1), np.uint8), srgb=False, text={"texgen:recipe": "tg1:y"})
    )
    assert (verifier.verify(noted).status, verifier.verify(noted).recipe) == (
        Status.UNSIGNED,
        "tg1:y",
    )


def test_a_signer_that_is_not_trusted_is_refused(signed, tmp_path):
    other = make_test_certificate()[ROOT_FILE].decode()
    verdict = Verifier(other).verify(signed / "grey.png")
    assert verdict.status is Status.UNTRUSTED
    assert "vouches" in verdict.problems[0]
    assert (
        Verifier().verify(signed / "grey.png").status is Status.SIGNED
    )  # nobody was named: told, not judged


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


@pytest.fixture
def texgen(models, capsys):
    def call(*arguments, ours=True):
        own = ["--models", str(models), "--device", "torch"] if ours else []
        code = main([*map(str, arguments), *own])
        return code, capsys.readouterr()

    return call


def test_a_set_is_made_signed_verified_and_made_again(texgen, tmp_path, certificates, models):
    out, sign = (
        tmp_path / "out",
        ("--sign", certificates / CHAIN_FILE, "--sign-key", certificates / KEY_FILE),
    )
    assert (
        texgen(
            "generate",
            "--class",
            "bark",
            "--seed",
            3,
            "--size",
            256,
            "--out",
            out,
            "--preview",
            "--watermark",
            *sign,
        )[0]
        == 0
    )
    code, told = texgen(
        "verify",
        out,
        "--trust",
        certificates / ROOT_FILE,
        "--require-signature",
        "--regenerate",
        "--json",
    )
    files = {f["path"].rpartition("/")[2]: f for f in json.loads(told.out)["files"]}
    assert code == 0
    assert len(files) == 7
    assert {f["status"] for f in files.values()} == {"signed"}
    again = [f for name, f in files.items() if "preview" not in name]
    assert all("made again: the same, sample for sample" in f["notes"] for f in again)
    digest = find_card("", models).digest
    assert {name for name, f in files.items() if f["watermark"]} == {"bark_3_basecolor.png"}
    assert files["bark_3_basecolor.png"]["watermark"].startswith(digest[:4])
    manifest = Verifier(models=models).verify(out / "bark_3_height.png")
    assert manifest.model == "material " + find_card("", models).version


@pytest.mark.parametrize(
    "arguments", [("--format", "exr"), ("--preset", "unreal"), ("--window", "10,-20,96x64")]
)
def test_what_is_made_otherwise_is_made_again_too(texgen, tmp_path, arguments):
    assert (
        texgen(
            "generate",
            "--class",
            "bark",
            "--seed",
            3,
            "--size",
            128,
            "--out",
            tmp_path / "out",
            *arguments,
        )[0]
        == 0
    )
    code, told = texgen("verify", tmp_path / "out", "--regenerate", "--json")
    files = json.loads(told.out)["files"]
    assert code == 0
    assert all(
        any(n.startswith("made again: the same") for n in f["notes"])
        for f in files
        if not f["path"].endswith(".txt")
    )


def test_another_picture_under_a_recipe_is_found(texgen, tmp_path):
    assert (
        texgen("generate", "--class", "bark", "--seed", 3, "--size", 64, "--out", tmp_path / "a")[0]
        == 0
    )
    path = tmp_path / "a" / "bark_3_basecolor.png"
    with Image.open(path) as picture:
        recipe, pixels = picture.text["texgen:recipe"], np.array(picture)
    alone = tmp_path / "my_basecolor.png"
    alone.write_bytes(encode_png(pixels, srgb=True, text={"texgen:recipe": recipe}))
    assert texgen("verify", alone, "--regenerate")[0] == 0
    alone.write_bytes(encode_png(255 - pixels, srgb=True, text={"texgen:recipe": recipe}))
    code, told = texgen("verify", alone, "--regenerate", "--json")
    assert code == 11
    assert "another picture" in json.loads(told.out)["files"][0]["problems"][0]


def test_a_batch_signs_and_what_it_made_unsigned_is_out_of_date(texgen, tmp_path, certificates):
    path, out = tmp_path / "spec.toml", tmp_path / "out"
    path.write_text('[[set]]\nclass = "bark"\nsize = 64\nseeds = [1, 2]\n')
    sign = ("--sign", certificates / CHAIN_FILE, "--sign-key", certificates / KEY_FILE)
    lock = ("--lock", tmp_path / "texgen.lock")
    assert texgen("batch", path, "--out", out, *lock)[0] == 0
    assert texgen("batch", path, "--out", out, *lock, *sign)[0] == 9
    assert (
        texgen("batch", path, "--out", out, *lock, *sign, "--resume")[0] == 0
    )  # signatures differ, what the lock says does not
    assert texgen("verify", out, "--require-signature", "--trust", certificates / ROOT_FILE)[0] == 0
    code, told = texgen("batch", path, "--out", out, *lock, *sign)
    assert (code, "2 up to date" in told.out) == (0, True)


def test_an_export_is_signed(texgen, tmp_path, certificates):
    sign = ("--sign", certificates / CHAIN_FILE, "--sign-key", certificates / KEY_FILE)
    assert (
        texgen("generate", "--class", "bark", "--seed", 3, "--size", 64, "--out", tmp_path / "a")[0]
        == 0
    )
    assert (
        texgen(
            "export",
            tmp_path / "a",
            "--preset",
            "unreal",
            "--out",
            tmp_path / "b",
            *sign,
            ours=False,
        )[0]
        == 0
    )
    assert texgen("verify", tmp_path / "b", "--require-signature", "--regenerate")[0] == 0


def test_the_command_says_what_it_cannot_do(texgen, tmp_path):
    (tmp_path / "empty").mkdir()
    assert texgen("verify", tmp_path / "empty")[0] == 2
    assert texgen("verify", tmp_path / "nowhere.png")[0] == 3
    (tmp_path / "x.json").write_text("{}")
    assert "no sidecar" in texgen("verify", tmp_path / "x.json")[1].err
    (tmp_path / "t.pem").write_text("no")
    assert texgen("verify", tmp_path / "x.json", "--trust", tmp_path / "t.pem")[0] == 2
    assert texgen("certificate", "--test", "--out", tmp_path / "c", ours=False)[0] == 0
    assert (tmp_path / "c" / KEY_FILE).stat().st_mode & 0o077 == 0
    assert texgen("certificate", "--test", "--out", tmp_path / "c", ours=False)[0] == 9
    code, told = texgen(
        "generate", "--class", "bark", "--sign", tmp_path / "t.pem", "--out", tmp_path
    )
    assert (code, "holds no" in told.err) == (2, True)


def test_a_sidecar_names_nothing_outside_of_its_folder(texgen, tmp_path):
    (tmp_path / "secret.png").write_bytes(b"secret")
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("../secret.png", "/etc/hostname", ".."):
        (folder / "x.json").write_text(json.dumps({"generator": "texgen", "sha256": {name: "00"}}))
        code, told = texgen("verify", folder / "x.json")
        assert (code, "without folders" in told.err) == (2, True)
        assert texgen("verify", folder)[0] == 2


def test_watermarks_that_cannot_be_are_refused_before_any_work(texgen, tmp_path):
    for arguments in (("--format", "exr"), ("--window", "0,0,256x256")):
        code, told = texgen(
            "generate", "--class", "bark", "--watermark", "--out", tmp_path, *arguments
        )
        assert (code, "whole tiles of 8 bits" in told.err) == (2, True)
    path = tmp_path / "spec.toml"
    path.write_text('[[set]]\nclass = "bark"\nsize = 64\nwatermark = true\n')
    code, told = texgen("batch", path, "--out", tmp_path / "out")
    assert (code, "line 4: a watermark needs 256 px" in told.err) == (2, True)


def test_a_batch_marks_what_its_spec_says(texgen, tmp_path):
    path = tmp_path / "spec.toml"
    path.write_text('[[set]]\nclass = "bark"\nsize = 256\npreset = "unreal"\nwatermark = true\n')
    assert texgen("batch", path, "--out", tmp_path / "out")[0] == 0
    code, told = texgen("verify", tmp_path / "out", "--regenerate", "--json")
    marks = {f["path"].rpartition("_")[2]: f["watermark"] for f in json.loads(told.out)["files"]}
    assert code == 0
    assert marks["BC.png"] and not marks["N.png"] and not marks["ORM.png"]


def test_another_engine_may_differ_a_little_in_half_floats_too():
    here = np.random.default_rng(1).random((32, 32, 3)).astype(np.float16) * np.float16(9.0)
    near, far = here * np.float16(1.001), here[::-1] * np.float16(0.5)
    assert compare_samples(near, here, "torch-cpu/f32", "openvino-cpu/bf16")[0]
    assert not compare_samples(far, here, "torch-cpu/f32", "openvino-cpu/bf16")[0]
    assert not compare_samples(near, here, "torch-cpu/f32", "torch-cpu/f32")[0]


def test_a_recipe_of_a_model_that_is_not_here_is_told_and_the_rest_goes_on(texgen, tmp_path):
    folder = written(
        tmp_path / "a",
        {
            "my_ao.png": encode_png(
                np.zeros((4, 4, 1), np.uint8), srgb=False, text={"texgen:recipe": "tg1:AAAA"}
            )
        },
    )
    code, told = texgen("verify", folder, "--regenerate", "--json")
    assert code == 0
    assert any("not made again" in note for note in json.loads(told.out)["files"][0]["notes"])
