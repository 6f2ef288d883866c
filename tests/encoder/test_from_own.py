"""Networks of the user's own: what docs/networks.md prints works, and what is wrong with a file is said in a line."""

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

import components.encoder.own
from components.encoder.build import build_encoder, check_features, plan_encoder
from components.encoder.errors import NetworkError
from components.encoder.params import OWN, OwnNetwork
from tests.conftest import ROOT

Write = Callable[[str], OwnNetwork]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Write a file that is found in the package as if it lay there, and name its function `build`."""
    monkeypatch.setattr(components.encoder.own, "__path__", [str(tmp_path)])

    def write_file(text: str) -> OwnNetwork:
        (tmp_path / "mine.py").write_text(text)
        return own("mine.build", width=4)

    yield write_file
    sys.modules.pop(f"{OWN}.mine", None)


def own(function: str, **arguments: object) -> OwnNetwork:
    return OwnNetwork(name="own", function=f"{OWN}.{function}", arguments=arguments)


def test_the_example_of_the_docs_is_an_encoder(write: Write) -> None:
    page = (ROOT / "docs/networks.md").read_text()
    found = re.search(r"```python\n# components/encoder/own/mine.py\n(.*?)```", page, re.DOTALL)
    assert found
    params = write(found[1])
    for channels in (1, 3):
        network = build_encoder(params, channels=channels, side=16)
        assert check_features(network, params, channels=channels, side=16) == 8
        assert network(torch.rand(5, channels, 16, 16)).shape == (5, 8)


HEAD = "import torch\nfrom torch import nn\ndef build(*, channels, side, width):\n    "
FAULTS = {
    "cannot be imported: SyntaxError": "def build(:",
    "cannot be imported: ModuleNotFoundError: No module named 'nowhere'": "import nowhere",
    r"defines no function build\(": "def other(): pass",
    r"mine.py defines no function build\(": "from math import floor as build",
    "mine.build failed: TypeError: .*'width'": "def build(*, channels, side): pass",
    "mine.build failed: ZeroDivisionError": HEAD + "1 / 0",
    "returns a int, not a torch.nn.Module": HEAD + "return 3",
    r"gives \[2, 48, 4\] for 2 images": HEAD + "return nn.Sequential(nn.Flatten(), nn.Unflatten(1, (48, 4)))",
    "gives a tuple for 2 images": HEAD + "return Pair()\nclass Pair(nn.Module):\n    "
    "def forward(self, images):\n        return images, images",
    "takes no images of 3 channels and 8 x 8 pixels: RuntimeError": HEAD + "return nn.Linear(5, 2)",
    "gives features that are not finite": HEAD + "return Odd()\nclass Odd(nn.Module):\n    "
    "def forward(self, images):\n        return images.flatten(1).log()",
}


@pytest.mark.parametrize("reason", FAULTS)
def test_what_is_wrong_with_the_file_is_one_line(reason: str, write: Write) -> None:
    params = write(FAULTS[reason])
    with pytest.raises(NetworkError, match=reason) as caught:
        check_features(plan_encoder(params, channels=3, side=8), params, channels=3, side=8)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(NetworkError, match=r"there is no file components/encoder/own/absent\.py"):
        plan_encoder(own("absent.build"), channels=3, side=8)


@pytest.mark.parametrize(
    "path",
    [
        "os.system",
        "components.encoder.resnet.build_tiny_resnet",
        OWN,
        f"{OWN}.build",
        f"{OWN}.__init__.x",
        f"{OWN}..a.b",
    ],
)
def test_nothing_outside_of_the_package_can_be_named(path: str) -> None:
    """config.json comes from others: loading an encoder must not run what they choose."""
    with pytest.raises(ValidationError, match="a function in a file of components/encoder/own"):
        OwnNetwork(name="own", function=path, arguments={})


def test_side_and_channels_are_told_by_images_alone() -> None:
    with pytest.raises(ValidationError, match="side: leave it out"):
        own("mine.build", side=3)
