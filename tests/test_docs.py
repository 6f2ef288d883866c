"""The snippets of the how-to pages can be pasted, and their links lead somewhere.

A snippet marked `yaml` belongs to params.yaml, and the pipeline accepts it; `yml` marks another program's YAML.
"""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from components.stage.command import PARAMS_FILE, check_params
from presets.apply import merge
from tests.conftest import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def snippets(language: str, pages: list[Path]) -> Iterator[tuple[str, str]]:
    """Yield every snippet in a language, with a name made of its page and its number there."""
    for page in pages:
        texts = re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
        yield from ((f"{page.stem}-{number}", snippet) for number, snippet in enumerate(texts))


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("snippet", [pytest.param(text, id=name) for name, text in snippets("yaml", PAGES[2:])])
def test_a_snippet_of_params_can_be_pasted(snippet: str) -> None:
    yaml = YAML(typ="safe")
    whole = yaml.load(ROOT / PARAMS_FILE)
    merge(whole, yaml.load(snippet))
    check_params(whole, Path(PARAMS_FILE))


def test_snippets_of_other_programs_are_yaml_and_shell() -> None:
    for name, snippet in snippets("yml", PAGES):
        assert YAML(typ="safe").load(snippet), name
    for name, snippet in snippets("sh", PAGES):
        read = subprocess.run(["bash", "-n"], input=snippet, text=True, capture_output=True, check=False)
        assert (read.returncode, read.stderr) == (0, ""), name


@pytest.mark.parametrize("page", [pytest.param(page, id=page.stem) for page in PAGES])
def test_links_lead_to_files_and_headings_that_are_there(page: Path) -> None:
    for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text()):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_page_on_images_shows_every_kind_of_source() -> None:
    page = (ROOT / "docs" / "images.md").read_text()
    types = (ROOT / "components" / "fetch" / "params.py").read_text().split("class Snapshot")[0]
    kinds = re.findall(r'"([a-z0-9_]+)"', types)
    assert {kind for kind in kinds if f"`{kind}`" not in page and f"kind: {kind}" not in page} == set()
