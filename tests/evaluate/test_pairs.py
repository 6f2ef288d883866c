"""LFW's file of pairs is read as published, and a file with another layout is refused in one line."""

import numpy as np
import pytest

from components.evaluate.pairs import parse_pairs
from components.stage.errors import InputError

LFW = (
    "2\t2\nAda\t1\t3\nBob\t1\t2\nAda\t1\tBob\t2\nBob\t1\tEve\t1\nEve\t1\t2\nAda\t2\t3\nEve\t2\tAda\t1\nEve\t1\tBob\t1\n"
)
IDS = np.array(
    [
        f"lfw/{name}/{name}_{n:04}.jpg"
        for name, count in (("Ada", 3), ("Bob", 2), ("Eve", 2))
        for n in range(1, count + 1)
    ]
)


def test_the_file_of_lfw_is_read() -> None:
    pairs = parse_pairs(LFW, IDS, "pairs.txt")
    assert pairs.same.tolist() == [True, True, False, False] * 2
    assert pairs.fold.tolist() == [0] * 4 + [1] * 4
    named = [(IDS[a][-12:-4], IDS[b][-12:-4]) for a, b in zip(pairs.first, pairs.second, strict=True)]
    assert named[0] == ("Ada_0001", "Ada_0003")
    assert named[2] == ("Ada_0001", "Bob_0002")
    assert named[-1] == ("Eve_0001", "Bob_0001")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: the number of folds"),
        ("10\n", "line 1: the number of folds"),
        (LFW.replace("2\t2", "2\t3", 1), "are 12 lines .* not 8"),
        (LFW.replace("Bob\t1\t2", "Bob\t1\t9", 1), r"pair 2: no image of the store is called \.\.\./Bob/Bob_0009"),
        (LFW.replace("Bob\t1\t2", "Bob\tone\t2", 1), "pair 2: 'name 1 2' in this half of the fold, not 'Bob one 2'"),
        ("2 0\n", "2 folds of 0 same-class"),
        (LFW.replace("Ada\t1\tBob\t2", "Ada\t1\t2", 1), "pair 3: 'name 1 other 2' in this half of the fold"),
        (LFW.replace("Ada\t1\tBob\t2", "Ada\t1\tAda\t2", 1), "pair 3: 'name 1 other 2' in this half of the fold"),
    ],
)
def test_what_is_wrong_with_the_file_is_said_in_one_line(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        parse_pairs(text, IDS, "pairs.txt")
