# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

from texgen.cli import main


def test_models_are_shown_without_a_server(models, capsys):
    assert main(["models", "list", "--models", str(models)]) == 0
    assert "3 classes, 1 presets" in capsys.readouterr().out
    assert main(["models", "show", "material", "--models", str(models), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["licence"] == "CC0-1.0"
    assert main(["models", "show", "material", "--models", str(models)]) == 0
    assert "relief_depth" in capsys.readouterr().out
