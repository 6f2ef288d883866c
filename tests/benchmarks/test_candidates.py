"""The candidates for the recipe: each is what params.yaml can say, and all do the same work."""

import pytest

from benchmarks.candidates import CANDIDATES, count_units, read_candidate


@pytest.mark.parametrize(
    ("name", "units", "epochs"),
    [
        ("preset", 8, 100),
        ("adam-weak-views", 8, 100),
        ("adam-weak-target", 7, 114),  # a target's pass less
        ("adam-four-views", 14, 57),
    ],
)
def test_more_work_per_image_means_fewer_epochs(name: str, units: int, epochs: int) -> None:
    params = read_candidate(name)
    assert (count_units(params.views), params.epochs) == (units, epochs)


@pytest.mark.parametrize("name", CANDIDATES)
def test_every_candidate_keeps_the_presets_images_and_network(name: str) -> None:
    params, preset = read_candidate(name), read_candidate("preset")
    kept = ("images", "encoder", "batch_size", "objective", "seed")
    assert all(getattr(params, key) == getattr(preset, key) for key in kept)
    assert (params == preset) == (name == "preset")
