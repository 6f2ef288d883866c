"""Features are standardised by the train part, and the complement gives the remaining rows."""

import numpy as np
from sklearn.preprocessing import StandardScaler

from components.features.judging.labelled import complement, standardise


def draw(images: int, seed: int) -> np.ndarray:
    """Features on scales and at places that differ by feature."""
    points = np.random.default_rng(seed).normal(size=(images, 6))
    return (points * [0.5, 1, 2, 3, 4, 5] + [0, 100, -3, 2, 1, 0]).astype(np.float32)


def test_features_are_standardised_as_scikit_learn_does_and_by_the_train_part_alone() -> None:
    train, test = draw(200, 0), draw(50, 1) + 2
    reference = StandardScaler().fit(train.astype(np.float64))
    found_train, found_test = standardise(train, test)
    np.testing.assert_allclose(found_train, reference.transform(train.astype(np.float64)), atol=1e-9)
    np.testing.assert_allclose(found_test, reference.transform(test.astype(np.float64)), atol=1e-9)
    assert found_train.dtype == found_test.dtype == np.float64


def test_a_test_image_is_scaled_alike_whatever_the_others_are() -> None:
    train, test = draw(200, 0), draw(50, 1)
    corrupted = test.copy()
    corrupted[1:] = 1e6
    np.testing.assert_array_equal(standardise(train, test)[1][0], standardise(train, corrupted)[1][0])


def test_a_pixel_that_is_always_black_stays_zero() -> None:
    train, test = draw(200, 0), draw(50, 1)
    train[:, 2] = test[:, 2] = 0
    found_train, found_test = standardise(train, test)
    assert not found_train[:, 2].any()
    assert not found_test[:, 2].any()


def test_a_feature_that_hardly_varies_is_not_blown_up() -> None:
    """Rounding errors of 1e-7 among features of deviation 3 must not weigh as much as a real feature."""
    train, test = draw(200, 0), draw(50, 1)
    train[:, 2] = 1 + 1e-7 * train[:, 0]
    test[:, 2] = 1 + 1e-7 * test[:, 0]
    found_train, found_test = standardise(train, test)
    assert np.abs(found_train[:, 2]).max() < 1e-3
    assert np.abs(found_test[:, 2]).max() < 1e-3
    np.testing.assert_allclose(found_train[:, [0, 1, 3, 4, 5]].std(0), 1, rtol=1e-6)


def test_a_collapsed_encoder_gives_numbers_and_no_warning() -> None:
    train, test = np.ones((20, 4), np.float32), np.ones((5, 4), np.float32)
    with np.errstate(all="raise"):
        found_train, found_test = standardise(train, test)
    assert not found_train.any()
    assert not found_test.any()


def test_the_complement_is_every_row_that_is_not_held_out() -> None:
    assert complement(np.array([4, 0, 2]), 6).tolist() == [1, 3, 5]
    assert complement(np.array([], dtype=np.int64), 3).tolist() == [0, 1, 2]
    assert complement(np.arange(3), 3).tolist() == []
