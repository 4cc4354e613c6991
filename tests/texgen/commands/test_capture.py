# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest


@pytest.mark.torch
def test_a_capture_and_the_look_of_a_photo(run, brick, tmp_path, monkeypatch):
    import numpy as np
    from PIL import Image

    photo = tmp_path / "wall.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (80, 96, 3)).astype(np.uint8)).save(
        photo
    )
    code, _, err = run(
        "capture", str(photo), "--size", "64", "--steps", "1", "--seed", "2", "--out", str(tmp_path)
    )
    assert code == 0, err
    assert (tmp_path / "capture_wall_2_height.png").is_file()
    monkeypatch.setattr(
        "texgen_server.rpc.requests.photo.DEFAULT_STEPS", 1
    )  # a look is a capture with as many as are usual
    code, _, err = run(
        "mix", str(brick), "--look", str(photo), "--out", str(tmp_path), "--name", "as_photo"
    )
    assert code == 0, err
