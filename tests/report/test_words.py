"""Numbers agree with their nouns, and names break between words."""

from components.report import words


def test_a_number_agrees_with_its_noun() -> None:
    assert words.count(1, "test image(s)") == "1 test image"
    assert words.count(0, "class(es)") == "0 classes"
    assert words.count(1349, "class(es)") == "1,349 classes"
    assert words.fit(1, "image file(s) that cannot be read") == "image file that cannot be read"


def test_words_are_listed_as_people_do() -> None:
    assert [words.enumerate_words(list("abc"[:n])) for n in range(4)] == ["", "a", "a and b", "a, b and c"]


def test_a_name_may_break_at_its_separators_and_stays_text() -> None:
    assert words.allow_breaks("golden_retriever-2/x.png") == "golden_<wbr>retriever-<wbr>2/<wbr>x.<wbr>png"
    assert words.allow_breaks("Volkswagen") == "Volkswagen"
    assert words.allow_breaks("<b>&_a_b") == "&lt;b&gt;&amp;_a_<wbr>b"


def test_a_long_name_keeps_both_ends() -> None:
    assert words.shorten("parachute", 14) == "parachute"
    assert words.shorten("English springer spaniel", 14) == "English …aniel"
