# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from pathlib import Path

from tests.texgen.batch.specs import spec
from texgen.batch.check import check_items
from texgen.batch.spec import read_spec
from texgen.modelcard import find_card
from texgen.recipes.build import make_recipe
from texgen.recipes.text import write_recipe


def test_what_the_model_cannot_make_is_refused_before_any_work(batch, tmp_path):
    for bad, why in (
        ('class = "wool"', "unknown class"),
        ('class = "bark"\nsize = 33', "multiple of"),
        ('class = "bark"\ncontrols = { shine = 1 }', "shine"),
        ('class = "bark"\ncontrols = { relief_depth = [1, 900] }', "relief_depth"),
        ('name = "r"\nrecipe = "tg1:AAAA"', "recipe"),
    ):
        code, _, told = batch(text=f'[[set]]\nclass = "rock"\nsize = 64\n[[set]]\n{bad}\n')
        assert code == 2 and why in told and "line 4" in told, told
        assert not (tmp_path / "out").exists()


def test_the_spec_in_the_docs_can_be_made_by_the_shipped_model(tmp_path):
    chapter = (Path(__file__).parents[3] / "docs" / "pipeline.md").read_text(encoding="utf-8")
    text = chapter.split("```toml\n")[1].split("```")[0]
    card = find_card("material")
    recipe = write_recipe(make_recipe(card, [("bark", 1.0)], 1), card)
    items = read_spec(spec(tmp_path, text.replace("tg1:...", recipe)))
    check_items(items, None)
    assert [items[0].stem, items[-1].stem, len(items)] == ["castle_wall_1_v1", "door", 10]
