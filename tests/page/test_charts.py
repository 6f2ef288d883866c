"""The report's charts and pictures show what they were given."""

import base64
import io

import numpy as np
from PIL import Image

from components.page import charts
from components.page.pictures import SHOWN_SIDE, nearest_by_cosine, thumbnail


def test_confusions_are_counted_by_true_and_predicted_class() -> None:
    plot = charts.confusion("knn", np.array([0, 0, 1, 1, 1]), np.array([0, 1, 1, 1, 0]), ["cat", "dog"])
    data = plot.renderers[0].data_source.data
    counts = {
        (a, p): int(n) for a, p, n in zip(data["actual"], data["predicted"], data["count"], strict=True)
    }  # fmt: skip
    assert counts == {("cat", "cat"): 1, ("cat", "dog"): 1, ("dog", "cat"): 1, ("dog", "dog"): 2}


def test_the_few_label_chart_ends_with_all_labels() -> None:
    metrics = {"accuracy": 0.9, "accuracy_low": 0.8, "accuracy_high": 0.95}
    metrics |= {f"accuracy_2_per_class{end}": value for end, value in (("", 0.5), ("_low", 0.4), ("_high", 0.6))}
    plot = charts.few_labels("knn", {"byol": metrics}, [2])
    assert plot.x_range.factors == ["2", "all"]
    assert plot.renderers[0].data_source.data["value"] == [0.5, 0.9]


def test_neighbours_are_by_direction_not_by_length() -> None:
    bank = np.array([[0.0, 5.0], [100.0, 1.0], [1.0, 1.0]])
    assert nearest_by_cosine(np.array([[2.0, 0.0]]), bank, 2).tolist() == [[1, 2]]


def test_a_large_image_is_scaled_down_before_it_goes_into_the_page() -> None:
    file = io.BytesIO()
    Image.fromarray(np.zeros((600, 300), dtype=np.uint8)).save(file, format="PNG")
    address = thumbnail(file.getvalue())
    head, content = address.split(",")
    assert head == "data:image/png;base64"
    assert Image.open(io.BytesIO(base64.b64decode(content))).size == (SHOWN_SIDE // 2, SHOWN_SIDE)
