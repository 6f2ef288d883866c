"""The page says of the images what metrics/data.json says, and names what is wrong with them."""

from typing import Any

from components.page import charts, dataset

CLEAN: dict[str, Any] = {
    "images": 5,
    "classes": 2,
    "bytes": 2_500_000,
    "train": 3,
    "test": 1,
    "unlabelled": 0,
    "sources": {"bees": 4},
    "by_class": [
        {"class": "ant", "train": 2, "test": 1, "unlabelled": 0},
        {"class": "bee", "train": 1, "test": 0, "unlabelled": 0},
    ],
    "class_ratio": 2.0,
    "classes_without_train": 0,
    "classes_without_test": 0,
    "formats": {"JPEG": 3, "GIF": 1},
    "sizes": {axis: {"min": 4, "median": 6, "max": 1200} for axis in ("width", "height")},
    "channels": {"mean": [0.5, 0.25, 0.125], "std": [0.3, 0.2, 0.1]},
    **dict.fromkeys(("unreadable", "no_images", "odd", "repeated", "repeated_with_other_labels"), 0),
    **dict.fromkeys(("leaked", "dropped", "nearly_leaked", "nearly_repeated"), 0),
    "rejected_files": [],
    "odd_images": [],
    "leaked_images": [],
}


def test_the_overview_has_what_a_reader_looks_for_and_leaves_out_an_empty_split() -> None:
    said = dict(dataset.overview(CLEAN))
    assert said["images"] == "3 train, 1 test"
    assert said["pixels"] == "width 4 to 1,200, median 6; height 4 to 1,200, median 6"
    assert said["channels of the images to train on"] == "mean 0.500, 0.250, 0.125; std 0.300, 0.200, 0.100"
    assert said["in the store"] == "2.5 MB"


def test_only_what_was_found_is_listed() -> None:
    assert dataset.findings(CLEAN) == []
    found = dataset.findings({**CLEAN, "unreadable": 1234, "classes_without_test": 1})
    assert [(count, what) for count, what, _ in found] == [
        ("1,234", "image files that cannot be read"),
        ("1", "classes without a test image"),
    ]


def test_each_kind_of_finding_is_named_up_to_a_ceiling() -> None:
    many = {
        "rejected_files": [{"path": f"bees/{n}.jpg", "reason": "empty"} for n in range(50)],
        "odd_images": [{"id": "bees/x.gif", "reason": "a GIF where nearly all are JPEG"}],
        "leaked_images": ["bees/y.jpg"],
    }
    named = dataset.named({**CLEAN, **many})
    assert len(named) == dataset.SHOWN + 2
    assert named[0] == ("bees/0.jpg", "empty")
    assert named[-2:] == [
        ("bees/x.gif", "a GIF where nearly all are JPEG"),
        ("bees/y.jpg", "also stands among those to train on"),
    ]


def test_the_chart_counts_each_class_by_split_the_first_on_top() -> None:
    plot = charts.class_counts(CLEAN["by_class"])
    data = plot.renderers[0].data_source.data
    assert (data["class"], data["train"], data["test"]) == (["ant", "bee"], [2, 1], [1, 0])
    assert plot.y_range.factors == ["bee", "ant"]
