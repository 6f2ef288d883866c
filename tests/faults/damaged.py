"""Draws damage: odd values, and files of settings and of findings in which something is lost, moved or changed."""

import json
import random
from collections.abc import Iterator
from typing import Any

from tests.conftest import ROOT

SHIPPED = (ROOT / "params.yaml").read_text()
DEEP = "[" * 10_000 + "]" * 10_000
VALUES = [  # as YAML spells them
    *(
        "",
        "~",
        "null",
        "true",
        "no",
        "0",
        "-1",
        "1",
        "2",
        "1.5",
        "-0.0",
        "1e30",
        "1e-300",
        "1e400",
        ".nan",
        ".inf",
        "-.inf",
    ),
    *(str(2**31), str(2**63), str(-(2**63)), str(2**64), "9" * 40, "9" * 5000, "0x" + "f" * 6000, "0o17", "1_000"),
    *("2024-01-01", "2024-13-45", "2024-01-01T00:00:00Z", "!!bool maybe", "!!int x", "!!float x", "!!binary '%%'"),
    *("!!python/object/apply:os.system [ls]", "!!set {x}", "!!omap [x: 1]", "!own x", "!!str 1", "*nowhere", "&a [*a]"),
    *("[]", "{}", "[1.0]", "[1, 2, 3]", "[[]]", "[null]", "[x, x]", "[-1, 1e30]", "{x: 1}", "{1: 2}", "{? [a] : b}"),
    *(
        "{? {a: 1} : b}",
        "{name: 1}",
        "{name: x}",
        "{kind: []}",
        "[{}]",
        "[{kind: digits, x: 1}]",
        "{<<: 3}",
        "{<<: [1]}",
    ),
    *(
        "x",
        "''",
        "'12'",
        "'  '",
        "x" * 100_000,
        "'\\x1b[2J'",
        '"\\x1b[2J\\x07"',
        '"\\u202egpj"',
        '"a\\nb\\rc"',
        "'[bold]x'",
    ),
    *(
        "auto",
        "cpu",
        "cuda:99999999999999",
        "python -m",
        "'rm -rf /; python -m'",
        "${path.store}",
        "$HOME",
        "../..",
        "/",
    ),
    *(
        '"\\0"',
        '"\\ud800"',
        "猫",
        "é" * 300,
        DEEP,
        "[" * 100_000,
        "[" + "1," * 30_000 + "]",
        "'",
        '"',
        "{",
        "%",
        "@",
        "`",
    ),
]
TEXTS = [
    "\t",
    "\0",
    "\x1b",
    "\ufeff",
    "\r",
    "\r\n",
    "\x85",
    "\u2028",
    ": ",
    "- ",
    "#",
    "---\n",
    "...\n",
    "&a ",
    "*a",
    "!",
    "<<: ",
]


def damage_value(random: random.Random, text: str) -> str:
    """Put an odd value in the place of one of the file's values."""
    lines = text.splitlines()
    numbers = [number for number, line in enumerate(lines) if ":" in line.split("#")[0]]
    number = random.choice(numbers)
    key = lines[number].split(":")[0]
    lines[number] = f"{key}: {random.choice(VALUES)}"
    return "\n".join(lines)


def damage_lines(random: random.Random, text: str) -> str:
    """Lose, repeat, move or indent a line, or spell its key in another way."""
    lines = text.splitlines(keepends=True)
    number = random.randrange(len(lines))
    line = lines[number]
    spellings = ["", line * 2, f"  {line}", line.lstrip(), f"\t{line}", line.replace(":", "", 1), line.upper()]
    spellings += [line.replace(":", "x:", 1), f"{random.choice(VALUES)}: {line}", f"? {line}", line[: len(line) // 2]]
    changed = random.choice(spellings)
    return "".join([*lines[:number], changed, *lines[number + 1 :]])


def damage_bytes(random: random.Random, text: str) -> bytes:
    """Change, lose or add some bytes, or cut the file off."""
    raw = bytearray(text.encode())
    for _ in range(random.choice([1, 1, 1, 4, 40])):
        place = random.randrange(len(raw))
        how = random.randrange(4)
        if how == 0:
            raw[place] = random.randrange(256)
        elif how == 1:
            del raw[place : place + random.choice([1, 10, 1000])]
        elif how == 2:
            raw[place:place] = random.choice(TEXTS).encode()
        else:
            raw[place] ^= 1 << random.randrange(8)
    return bytes(raw[: random.randrange(len(raw))] if random.random() < 0.1 else raw)


def damage_key(random: random.Random, text: str) -> str:
    """Add a key that nobody knows to the file or to a section."""
    key = random.choice([value for value in VALUES if "\n" not in value and len(value) < 200])
    lines = text.splitlines()
    number = random.randrange(len(lines))
    indent = " " * random.choice([0, 2, 4])
    return "\n".join([*lines[:number], f"{indent}{key}: 1", *lines[number:]])


def write_whole(random: random.Random, _: str) -> str:
    """Replace the whole file."""
    section = random.choice(["data", "pretrain", "evaluate", "notify"])
    bomb = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))
    merges = "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 40))
    return random.choice(
        ["", "\n", "#", "[]", "x", bomb, merges, f"{section}: {random.choice(VALUES)}", random.choice(VALUES)]
    )


DAMAGES = [damage_value, damage_value, damage_lines, damage_bytes, damage_key, write_whole]


def draw_damaged(seed: int, number: int) -> Iterator[tuple[str, bytes]]:
    """Yield differently damaged files, and what was done to each."""
    drawn = random.Random(seed)
    for _ in range(number):
        damage = drawn.choice(DAMAGES)
        state = drawn.random()
        content = damage(random.Random(state), SHIPPED)
        yield (
            f"{damage.__name__} {state!r}",
            content if isinstance(content, bytes) else content.encode("utf-8", "replace"),
        )


def list_places(value: Any, place: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value in nested mappings and lists."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inner:
        yield (*place, key)
        yield from list_places(part, (*place, key))


def put(whole: Any, place: tuple[Any, ...], value: Any) -> Any:
    """Return a copy of nested values with another value in one place."""
    if not place:
        return value
    copied = list(whole) if isinstance(whole, list) else dict(whole)
    copied[place[0]] = put(whole[place[0]], place[1:], value)
    return copied


def damage_json(drawn: random.Random, text: str) -> bytes:
    """Put an odd value in one place of a JSON file, or change some of its bytes."""
    if drawn.random() < 0.3:
        return damage_bytes(drawn, text)
    whole = json.loads(text)
    odd = [
        None,
        True,
        0,
        -1,
        1.5,
        1e308,
        float("nan"),
        10**400,
        "",
        "x" * 10**5,
        "\x1b[2J",
        [],
        {},
        [None],
        [[[]]],
        {"a": 1},
    ]
    place = drawn.choice(list(list_places(whole, ())))
    return json.dumps(put(whole, place, drawn.choice(odd))).encode()
