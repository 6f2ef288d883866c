"""Whatever params.yaml holds, it is read or refused by a few short lines that name it, at once and before any work."""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from components.stage import command
from components.stage.errors import InputError
from presets.apply import apply_presets, list_presets, to_plain
from presets.fit import fit_to_images, read_found
from tests.conftest import ROOT
from tests.faults.conftest import Campaign
from tests.faults.damaged import SHIPPED, VALUES, damage_json, draw_damaged, list_places, put

SECONDS = 2.0


def check_message(message: str, name: str) -> None:
    """Hold a message to what is promised of it."""
    lines = message.splitlines()
    assert 0 < len(lines) <= 25, message[:300]
    assert all(line.isprintable() for line in lines), ascii(message[:300])
    assert all(len(line) < len(name) + 500 for line in lines), message[:300]
    assert all(line.startswith(f"{name}: ") for line in lines), message[:300]


def test_damaged_params_are_read_or_refused_in_a_line(campaign: Campaign, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    for what, content in draw_damaged(campaign.seed, campaign.choose(40, 2000)):
        with campaign.trial(what):
            path.write_bytes(content)
            began = time.monotonic()
            try:
                json.loads(command.read_params(path).model_dump_json())
            except InputError as error:
                check_message(str(error), str(path))
            assert time.monotonic() - began < SECONDS


def test_every_odd_value_of_every_key(campaign: Campaign, tmp_path: Path) -> None:
    """Each value in the place of each key of the checked content, which is quicker than by way of a file."""
    path = tmp_path / "params.yaml"
    loaded = [load_value(value, path) for value in VALUES]
    loaded = [value for value in loaded if value is not InputError]
    whole = command.read_yaml(ROOT / "params.yaml")
    places = list(list_places(whole, ()))
    drawn = random.Random(campaign.seed)
    pairs = [(place, value) for place in places for value in loaded]
    for place, value in drawn.sample(pairs, campaign.choose(60, min(4000, len(pairs)))):
        what = "int" if isinstance(value, int) else ascii(str(value)[:60])
        with campaign.trial(f"{'.'.join(map(str, place))}: {what}"):
            try:
                command.check_params(put(whole, place, value), path)
            except InputError as error:
                check_message(str(error), str(path))


def load_value(text: str, path: Path) -> Any:
    path.write_bytes(f"a: {text}".encode("utf-8", "replace"))
    try:
        return command.read_yaml(path)["a"]
    except InputError as error:
        check_message(str(error), str(path))
        return InputError


PROCESS = """
import resource, sys
from pathlib import Path
import components.stage.__main__ as stage
resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))
stage.PARAMS_FILE = Path(sys.argv.pop())
stage.check_file()
"""


def test_a_process_ends_with_2_and_a_line(campaign: Campaign, tmp_path: Path) -> None:
    """A part of the same trials, as a user has them: memory, exit status, and nothing but these lines."""
    path = tmp_path / "params.yaml"
    for what, content in draw_damaged(campaign.seed + 1, campaign.choose(1, 60)):
        with campaign.trial(what):
            path.write_bytes(content)
            command = [sys.executable, "-c", PROCESS, str(path)]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
            assert done.stdout == ""
            if done.returncode:
                assert done.returncode == 2
                check_message(done.stderr, str(path))


def test_presets_on_damaged_params_and_findings(campaign: Campaign, tmp_path: Path) -> None:
    """A preset over a damaged file, or fitted to damaged findings, changes nothing or says a line."""
    path, data = tmp_path / "params.yaml", tmp_path / "data.json"
    drawn = random.Random(campaign.seed)
    metrics = (ROOT / "metrics/data.json").read_text()
    for what, content in draw_damaged(campaign.seed + 2, campaign.choose(3, 150)):
        with campaign.trial(f"params {what}"):
            path.write_bytes(content)
            try:
                apply_presets(path, [drawn.choice(list_presets())])
            except InputError as error:
                check_message(str(error), str(path))
    path.write_text(SHIPPED)
    for _ in range(campaign.choose(5, 200)):
        damaged = damage_json(drawn, metrics)
        with campaign.trial(f"data.json {damaged[:60]!r}"):
            data.write_bytes(damaged)
            said = fit(path, data)
            assert said.isprintable() or "\n" in said
            assert len(said) < 2000


def fit(path: Path, data: Path) -> str:
    """Fit the settings to what fetch found; return the line of a refusal, or an empty text."""
    whole = apply_presets(path, [])
    try:
        fit_to_images(whole, read_found(data), data)
        command.check_params(to_plain(whole), path)
    except InputError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", ["a folder", "nothing", "a pipe"])
def test_what_is_no_file_is_refused(campaign: Campaign, tmp_path: Path, name: str) -> None:
    path = tmp_path / "params.yaml"
    if name == "a folder":
        path.mkdir()
    elif name == "a pipe":
        os.mkfifo(path)
    with campaign.trial(name):
        with pytest.raises(InputError) as caught:
            command.read_params(path)
        check_message(str(caught.value), str(path))
