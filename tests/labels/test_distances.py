"""Strangers and copies stand out, whatever the scale of an encoder's cosines; nothing stands out among equals."""

import numpy as np
import pytest

from components.labels.distances import Found, NothingToFindError, judge_distances
from components.labels.neighbours import find_neighbours
from tests.labels.made import CPU, make_table, read_section


def judge(features: np.ndarray) -> Found:
    params = read_section()
    return judge_distances(*find_neighbours(features.astype(np.float32), params.neighbours, CPU), params)


def make_features(offset: float) -> np.ndarray:
    """Make 300 images; with an offset, all cosines are near 1."""
    return make_table(np.arange(300) % 6).features + offset


@pytest.mark.parametrize("offset", [0.0, 40.0])
def test_a_stranger_and_a_copy_are_found_at_any_scale(offset: float) -> None:
    features = make_features(offset)
    assert len(judge(features).outliers) <= 1
    assert len(judge(features).pairs) == 0
    stranger = offset - 30 * np.eye(16)[0]
    copy = features[5] + 0.001
    found = judge(np.concatenate([features, [stranger], [copy]]))
    assert found.outliers[0] == 300
    assert found.pairs.tolist() == [[5, 301]]
    assert found.pair_cosines[0] > 0.9999


def test_copies_of_one_image_are_all_pairs_once_and_hide_no_others() -> None:
    features = make_features(0)
    found = judge(np.concatenate([features, features[[0, 0, 7]]]))
    assert sorted(found.pairs.tolist()) == [[0, 300], [0, 301], [7, 302], [300, 301]]


@pytest.mark.parametrize("features", [np.ones((50, 4)), np.zeros((50, 4)) + np.arange(1, 51)[:, None]])
def test_a_collapsed_encoder_is_said_and_finds_nothing(features: np.ndarray) -> None:
    with pytest.raises(NothingToFindError, match="as good as the same"):
        judge(features)


def test_a_handful_of_images_is_judged_without_a_fault() -> None:
    assert len(judge(np.eye(3)).outliers) == 0
    for images in (1, 2):
        with pytest.raises(NothingToFindError, match="fewer than 3"):
            judge(np.eye(images))
