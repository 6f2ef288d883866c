"""Images that can be read but are hardly intended are named; metrics/data.json stays small however many there are."""

import pytest

from components.fetch.checks import verdict as checks
from components.fetch.checks.facts import Facts
from components.store.store import TEST, TRAIN
from tests.fetch.judged import add, far_look, make_facts, make_full, reject, verdict


def test_the_one_gif_among_hundreds_of_jpegs_is_named() -> None:
    facts = make_facts([("bee", TRAIN)] * 240)
    add(facts, 999, "bee", format="GIF")
    assert verdict(facts).odd == [("s/999.jpg", "a GIF where nearly all are JPEG")]


@pytest.mark.parametrize("gifs", [1, 2, 3])
def test_a_format_is_odd_below_one_image_in_a_hundred(gifs: int) -> None:
    facts = make_facts([("bee", TRAIN)] * (200 - gifs))
    for number in range(gifs):
        add(facts, 300 + number, "bee", format="GIF")
    assert len(verdict(facts).odd) == (1 if gifs == 1 else 0)


def test_one_of_each_format_among_few_images_is_not_odd() -> None:
    facts = make_facts([("bee", TRAIN)] * 20)
    add(facts, 99, "bee", format="GIF")
    assert verdict(facts).odd == []


def test_an_image_that_is_odd_in_two_ways_is_named_twice_and_counted_once() -> None:
    facts = make_facts([("bee", TRAIN)] * 5)
    add(facts, 6, "bee", format="PNG", flat=True, misnamed=True)
    judged = verdict(facts)
    assert judged.odd == [("s/6.jpg", "one colour all over"), ("s/6.jpg", "has another suffix than a PNG has")]
    assert judged.metrics["odd"] == 1
    assert judged.metrics["odd_images"] == [{"id": name, "reason": reason} for name, reason in judged.odd]


def test_16_bits_that_hold_fewer_are_named_before_all_else() -> None:
    """Microscopes and depth cameras write 12 bits or less into 16: nearly black in 8 bits, they teach nothing."""
    facts = make_facts([("cell", TRAIN)] * 3)
    for number, highest in enumerate((4095, 250, 16_000, 16_384, 65_535, 0)):
        full = make_full(channels=1, highest=highest)
        add(facts, 10 + number, "cell", full=full, flat=highest == 4095)
    add(facts, 20, "cell", full=make_full(channels=5, highest=20, bits=8))
    keeps = "pretrain.images.range keeps them"
    assert verdict(facts).odd == [
        ("s/10.jpg", f"nearly black in 8 bits: values no higher than 4,095 of 65,535; {keeps}"),
        ("s/11.jpg", f"nearly black in 8 bits: values no higher than 250 of 65,535; {keeps}"),
        ("s/12.jpg", f"dark in 8 bits: values no higher than 16,000 of 65,535; {keeps}"),
        ("s/10.jpg", "one colour all over"),
    ]


def test_where_all_images_have_12_bits_only_those_that_are_dark_among_them_are_odd() -> None:
    """A line says which range they need; a list of all of them would say no more."""
    facts = Facts()
    for number, highest in enumerate((4000, 1024, 1000, 200)):
        add(facts, number, "cell", full=make_full(channels=1, highest=highest))
    assert verdict(facts).odd == [
        ("s/2.jpg", "dark: values no higher than 1,000, where a training on all images takes them up to 4,095"),
        ("s/3.jpg", "nearly black: values no higher than 200, where a training on all images takes them up to 4,095"),
    ]


def test_lists_in_the_metrics_end_after_so_many_and_their_counts_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """The names of two million broken files would make a file that nobody can open; the findings have them all."""
    monkeypatch.setattr(checks, "LISTED", 3)
    facts = Facts()
    for number in range(5):
        add(facts, number, "cat", TRAIN, flat=True)
        add(facts, 10 + number, "cat", TEST, pixels=number, look=far_look(number))
        reject(facts, f"{number}.jpg")
    judged = verdict(facts)
    assert [len(judged.metrics[key]) for key in ("rejected_files", "odd_images", "leaked_images")] == [3, 3, 3]
    assert [judged.metrics[key] for key in ("rejected", "odd", "leaked")] == [5, 5, 5]
    assert len(judged.odd) == 5


def test_thousands_of_blank_images_are_odd_and_copies_and_nothing_takes_long() -> None:
    """Scanners and cameras make such images; compared two by two they would be 200 million pairs."""
    facts = Facts()
    for number in range(20_000):
        add(facts, number, "page", TEST if number == 7 else TRAIN, pixels=0, look=0, flat=True)
    judged = verdict(facts, leaked="keep")
    metrics = judged.metrics
    assert (metrics["odd"], metrics["repeated"], metrics["nearly_repeated"]) == (20_000, 19_999, 0)
    assert (metrics["leaked"], metrics["nearly_leaked"], metrics["leaked_fraction"]) == (1, 0, 1.0)
    assert verdict(facts).metrics["images"] == 1


def test_classes_are_sorted_by_name_in_whatever_order_they_come() -> None:
    facts = make_facts([("owl", TRAIN), ("cat", TRAIN), (None, "unlabelled"), ("dog", TEST), ("cat", TRAIN)])
    assert facts.class_names == ["cat", "dog", "owl"]
    assert facts.labels.tolist() == [2, 0, -1, 1, 0]
    assert [row["class"] for row in verdict(facts).metrics["by_class"]] == ["cat", "dog", "owl"]
