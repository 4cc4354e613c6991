# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import io
import json
import random
import shutil

import numpy as np
import pytest
from PIL import Image

from tests.texgen.provenance.signed_sets import ABOUT, FORMATS, samples, trust, written
from texgen.files.images import encode_png
from texgen.files.material import sealed_contents
from texgen.provenance.trial_certificate import (
    ROOT_FILE,
    make_test_certificate,
)
from texgen.provenance.verify import Status, Verifier, files_to_verify


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
