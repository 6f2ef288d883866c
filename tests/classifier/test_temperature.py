"""The temperature is held against a plain search and against Guo's own, and stays sane where labels are few."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from components.classifier.temperature import fit_temperature


def draw(images: int, scale: float, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Draw logits whose labels come of them, and multiply them: so much too sure of itself is the classifier."""
    drawn = np.random.default_rng(0)
    logits = 2 * drawn.normal(size=(images, classes))
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = np.array([drawn.choice(classes, p=share) for share in shares])
    return scale * logits, labels


@pytest.mark.parametrize("scale", [0.3, 1.0, 4.0])
def test_it_undoes_by_how_much_a_classifier_is_too_sure(scale: float) -> None:
    logits, labels = draw(4000, scale)
    assert fit_temperature(logits, labels) == pytest.approx(scale, rel=0.06)


def test_it_is_guos_of_the_smallest_cross_entropy_but_for_one_image_more() -> None:
    logits, labels = draw(2000, 2.0)
    grid = np.geomspace(1, 4, 200)
    costs = [float(F.cross_entropy(torch.from_numpy(logits / t), torch.from_numpy(labels))) for t in grid]
    assert fit_temperature(logits, labels) == pytest.approx(grid[np.argmin(costs)], rel=0.01)


def test_a_handful_of_images_that_are_all_right_do_not_make_it_certain() -> None:
    """Without more, the best temperature would be 0: every answer would come with 100 %."""
    logits = np.eye(3)[[0, 1, 2, 0, 1]] * 2.0
    labels = np.array([0, 1, 2, 0, 1])
    few = fit_temperature(logits, labels)
    shares = torch.softmax(torch.from_numpy(logits / few), dim=1).amax(1)
    assert 0.7 < float(shares.min()) < 0.99
    assert fit_temperature(np.tile(logits, (20, 1)), np.tile(labels, 20)) < few, "more such images, more certainty"


def test_classes_that_a_head_does_not_know_decide_nothing() -> None:
    logits, labels = draw(50, 1.0, classes=3)
    more = np.concatenate([logits, np.full((50, 1), -np.inf)], axis=1)
    assert fit_temperature(more, labels) == fit_temperature(logits, labels)


def test_without_an_image_there_is_nothing_to_correct() -> None:
    assert fit_temperature(np.empty((0, 3)), np.empty(0, np.int64)) == 1.0
