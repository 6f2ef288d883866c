"""What the how-to pages show can be pasted: every snippet of params.yaml is one that the pipeline takes."""

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from components.stage import PARAMS_FILE, check_params
from presets.apply import merge
from tests.conftest import ROOT

SNIPPETS = [
    pytest.param(snippet, id=f"{page.stem}-{number}")
    for page in sorted((ROOT / "docs").glob("*.md"))
    for number, snippet in enumerate(re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL))
]


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_a_snippet_of_params_can_be_pasted(snippet: str) -> None:
    yaml = YAML(typ="safe")
    whole = yaml.load(ROOT / PARAMS_FILE)
    merge(whole, yaml.load(snippet))
    check_params(whole, Path(PARAMS_FILE))


def test_the_page_on_images_shows_every_kind_of_source() -> None:
    page = (ROOT / "docs" / "images.md").read_text()
    kinds = re.findall(
        r'"([a-z0-9_]+)"', (ROOT / "components" / "params" / "data.py").read_text().split("class Snapshot")[0]
    )
    assert {kind for kind in kinds if f"`{kind}`" not in page and f"kind: {kind}" not in page} == set()
