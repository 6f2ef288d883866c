"""One encoder for the tests of the classifier: its export takes seconds."""

from pathlib import Path

import pytest

from tests.encoder.made import write_encoder


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny encoder of gray images of 8 x 8 pixels."""
    folder = tmp_path_factory.mktemp("encoder")
    write_encoder(folder)
    return folder
