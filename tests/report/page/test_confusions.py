"""The page names the commonest mistakes, and the matrix counts all of them."""

import numpy as np

from components.report.page import confusions


def read_cells(plot: object) -> dict[tuple[str, str], int]:
    data = plot.renderers[0].data_source.data  # type: ignore[attr-defined]
    return dict(zip(zip(data["actual"], data["predicted"], strict=True), data["count"], strict=True))


def test_confusions_are_counted_by_true_and_predicted_class() -> None:
    plot = confusions.draw_matrix("knn", np.array([0, 0, 1, 1, 1]), np.array([0, 1, 1, 1, 0]), ["cat", "dog"])
    assert read_cells(plot) == {("cat", "cat"): 1, ("cat", "dog"): 1, ("dog", "cat"): 1, ("dog", "dog"): 2}


def test_a_number_on_strong_red_is_white() -> None:
    actual, predicted = np.array([0] * 10 + [1] * 20), np.array([1] * 10 + [1] * 19 + [0])
    plot = confusions.draw_matrix("knn", actual, predicted, ["cat", "dog"])
    texts = {text: drawn.glyph.text_color for drawn in plot.renderers[1:] for text in drawn.data_source.data["text"]}
    assert texts["10"] == "#ffffff"
    assert texts["1"] != "#ffffff"
    assert texts["19"] != "#ffffff"


def test_the_commonest_come_first_with_the_images_they_are_of() -> None:
    actual = np.array([0, 1, 1, 2, 1, 2, 0])
    predicted = np.array([1, 2, 2, 0, 1, 0, 0])
    commonest = confusions.find_commonest(actual, predicted, 2)
    assert [(mistake.actual, mistake.predicted, mistake.places, mistake.of_class) for mistake in commonest] == [
        (1, 2, [1, 2], 3),
        (2, 0, [3, 5], 2),
    ]
    assert confusions.find_commonest(actual, actual, 2) == []


def test_of_many_classes_the_most_confused_are_drawn() -> None:
    names = [f"class {n}" for n in range(200)]
    actual = np.arange(200)
    predicted = actual.copy()
    predicted[150] = 199
    plot = confusions.draw_matrix("knn", actual, predicted, names)
    assert ("class 150", "class 199") in read_cells(plot)
    assert len(plot.xaxis[0].ticker.ticks) == confusions.CLASSES
    assert "of 200" in plot.title.text
