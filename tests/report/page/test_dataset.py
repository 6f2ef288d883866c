"""The page describes the images as metrics/data.json does, and names what is wrong with them."""

from components.report.page import charts, dataset
from tests.report.page.pages import CLEAN


def test_the_overview_has_what_a_reader_looks_for_and_leaves_out_an_empty_split() -> None:
    overview = dict(dataset.list_overview(CLEAN))
    assert overview["images"] == "3 train, 1 test"
    assert overview["pixels"] == "width 4 to 1,200, median 6; height 4 to 1,200, median 6"
    same = dict.fromkeys(("min", "median", "max"), 224)
    small = CLEAN | {"class_ratio": 1.004, "sizes": {"width": same, "height": CLEAN["sizes"]["height"]}}
    overview = dict(dataset.list_overview(small))
    assert overview["pixels"] == "width 224; height 4 to 1,200, median 6"
    assert overview["classes"] == "2; the number of train images is the same for each"
    assert overview["channels of the images to train on"] == "mean 0.500, 0.250, 0.125; std 0.300, 0.200, 0.100"
    assert overview["in the store"] == "2.5 MB"


def test_labels_by_hand_are_counted_where_there_are_any() -> None:
    assert "labels by hand" not in dict(dataset.list_overview(CLEAN | {"given": 0, "given_new": 0}))
    given = {"given": 1020, "given_new": 1000, "given_differing": 7, "given_test": 0, "given_unknown": 1}
    said = dict(dataset.list_overview(CLEAN | given))["labels by hand"]
    assert said == "1,020 that people gave: 1,000 where the source has none, 7 in place of another of the source"
    findings = dataset.list_findings(CLEAN | given)
    assert [(count, what) for count, what, _ in findings] == [
        ("1", "label that people gave to images that no source has")
    ]


def test_only_what_was_found_is_listed() -> None:
    assert dataset.list_findings(CLEAN) == []
    findings = dataset.list_findings({**CLEAN, "unreadable": 1234, "classes_without_test": 1})
    assert [(count, what) for count, what, _ in findings] == [
        ("1,234", "image files that cannot be read"),
        ("1", "class without a test image"),
    ]


def test_each_kind_of_finding_is_named_up_to_a_ceiling() -> None:
    many = {
        "rejected_files": [{"path": f"bees/{n}.jpg", "reason": "empty"} for n in range(50)],
        "odd_images": [{"id": "bees/x.gif", "reason": "a GIF where nearly all are JPEG"}],
        "leaked_images": ["bees/y.jpg"],
        **{"rejected": 1234, "odd": 1, "leaked": 1},
    }
    faulty = dataset.list_faulty_files({**CLEAN, **many})
    assert len(faulty) == dataset.SHOWN + 3
    assert faulty[0] == ("bees/0.jpg", "empty")
    assert faulty[-3][0] == "and 1,214 more"
    assert faulty[-2:] == [
        ("bees/x.gif", "a GIF where nearly all are JPEG"),
        ("bees/y.jpg", "also stands among those to train on"),
    ]


def test_the_chart_counts_each_class_by_split_the_first_on_top() -> None:
    plot = charts.draw_class_counts(CLEAN["by_class"])
    data = plot.renderers[0].data_source.data
    assert (data["class"], data["train"], data["test"]) == (["ant", "bee"], [2, 1], [1, 0])
    assert plot.yaxis[0].major_label_overrides == {0: "ant", 1: "bee"}
    assert plot.y_range.start > plot.y_range.end


def test_two_classes_whose_long_names_differ_in_the_middle_have_a_bar_each() -> None:
    rows = [{"class": f"a long name of class {n} of many", "train": n, "test": 1} for n in (1, 2)]
    plot = charts.draw_class_counts(rows)
    assert plot.renderers[0].data_source.data["place"] == [0, 1]
    assert all(len(label) <= charts.NAME for label in plot.yaxis[0].major_label_overrides.values())
