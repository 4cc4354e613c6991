# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json


def test_a_sidecar_names_nothing_outside_of_its_folder(texgen, tmp_path):
    (tmp_path / "secret.png").write_bytes(b"secret")
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("../secret.png", "/etc/hostname", ".."):
        (folder / "x.json").write_text(json.dumps({"generator": "texgen", "sha256": {name: "00"}}))
        code, told = texgen("verify", folder / "x.json")
        assert (code, "without folders" in told.err) == (2, True)
        assert texgen("verify", folder)[0] == 2
