"""Names from the data are shown in Markdown as they are, and do nothing there."""

import html
import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from components.report.markdown import write_code, write_inert
from tests.encoder.made import make_encoder
from tests.report.test_card import DATA, PROBES, render_card

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "[x](javascript:alert(1))",
    "![x](https://example.org/x.png)",
    "[x]: javascript:alert(1)",
    "<javascript:alert(1)>",
    "https://example.org/x",
    "www.example.org",
    "a@example.org",
    "a | b || c",
    "`a` ``b``` <b>",
    "*a* **b** _c_ __d__ ~~e~~",
    "&lt;b&gt; &#60;i&#62; &copy;",
    "\\<b> \\[x](y) \\",
    "a\n\n# b\n\n<hr>\n---\n```\n",
    "- a",
    "# a",
    "1. a",
    "$x$ {{ x }} {% x %}",
    "\x1b[2J\x07 \u202egpj \x85",
]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("place", ["{}", "- {}: 1", "- a: {}", "| {} | b |\n| --- | --- |\n| c | {} |", "a {} b"])
def test_hostile_text_shows_itself(name: str, place: str) -> None:
    rendered = MarkdownIt("commonmark").enable("table").render(place.replace("{}", write_inert(name)))
    assert not re.findall(r"<(?!/?(?:p|ul|li|table|thead|tbody|tr|th|td)\b)", rendered), rendered
    shown = " ".join(name.split()).replace("\x1b", "\\x1b").replace("\x07", "\\x07").replace("\u202e", "\\u202e")
    assert shown in html.unescape(rendered)
    assert "://" not in write_inert(name)
    assert write_inert(name).isprintable()


@pytest.mark.parametrize(
    "name", ["Acer (red)", "C_4 & 5", "Müller-Straße", "猫", "1.5", "a.b/c, d: e", "[1, 2]", "R2-D2!"]
)
def test_honest_names_can_be_read_in_the_file_too(name: str) -> None:
    assert write_inert(name) == name


def test_code_is_only_what_cannot_end_it() -> None:
    assert write_code("byol") == "`byol`"
    assert write_code("a`<b>") == r"a\`&lt;b&gt;"


def test_long_text_is_cut_with_its_length_named() -> None:
    assert write_inert("x" * 10**5).endswith("x (100,000 characters)")
    assert len(write_inert("x" * 10**5)) < 250


def test_a_card_of_hostile_names_is_inert(tmp_path: Path) -> None:
    counts = {"train": 1, "test": 1, "unlabelled": 0}
    config = make_encoder()[1]
    provenance = {"method": HOSTILE[0], "lock": HOSTILE[10], "torch": HOSTILE[1], "data": HOSTILE[0]}
    provenance |= {"params": {"objective": "x]\n---\n# a", "launcher": "```\n<script>"}}
    text = render_card(
        tmp_path,
        config.model_copy(update={"provenance": provenance}),
        data=DATA | {"by_class": [{"class": name, **counts} for name in HOSTILE], "sources": dict.fromkeys(HOSTILE, 1)},
        pretrain=dict.fromkeys(HOSTILE, "<b>"),
        probes={"knn": {name: {name: 0.5} for name in HOSTILE[:4]} | {"byol": {"skipped": HOSTILE[0]}}, **PROBES},
        verdict=HOSTILE[2],
        notes={"knn": HOSTILE},
        revision=HOSTILE[0],
    )
    assert not [char for char in text if not char.isprintable() and char != "\n"]
    assert text.split("---\n")[1].startswith("tags: [byol, ")
    rendered = MarkdownIt("commonmark").enable("table").render(text.split("---\n", 2)[2])
    known = "p|ul|li|table|thead|tbody|tr|th|td|h1|h2|h3|strong|code|pre"
    assert not re.findall(rf"<(?!/?(?:{known})\b)", rendered)
    assert rendered.count("<pre>") == 3
    assert rendered.count("<h1>") == 1
