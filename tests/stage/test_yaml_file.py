"""A YAML file that stands for more than it seems, or is none, gives one line, at once and before memory runs out."""

from pathlib import Path

import pytest

from components.stage.errors import InputError
from components.stage.yaml_file import read_yaml

LAUGHS = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))
MERGES = "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 40))


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (LAUGHS, "line 6: more than 20,000 values, repeated ones included; the file has 400"),
        (MERGES, "line 12: more than 20,000 values, repeated ones included"),
        ("[" + "a, " * 30_000 + "]", "line 1: more than 20,000 values"),
        ("a: " + "[" * 200_000, "line 1: more than 50 lists or mappings inside each other"),
        ("a: " + "{a: " * 60 + "}" * 60, "line 1: more than 50 lists or mappings inside each other"),
        ("a: &a\n  b: *a", "line 2: '*a' stands inside itself; write out what is meant"),
        ("? [{a: 1}]\n: 2", "not YAML: unhashable type: 'dict'"),
        ("a: *b", "not YAML: line 1: found undefined alias"),
        ("a: 1\na: 2", "not YAML: line 2: found duplicate key"),
        ("a:\n\tb: 1", "not YAML: line 2: found character that cannot start any token"),
        ("a: !!python/object/apply:os.system [ls]", "not YAML: line 1: could not determine a constructor"),
        ("a: 1\n---\nb: 2", "not YAML: line 2: but found another document"),
        ("a: \0", "not YAML: unacceptable character #x0000"),
        ("#" * 2_000_000, "has more than 1,000,000 bytes"),
        (b"a: 1\nb: \xff\n", "line 2: not text in UTF-8; save it as UTF-8"),
        ("a: 1".encode("utf-16"), "line 1: not text in UTF-8; save it as UTF-8"),
    ],
)
def test_what_cannot_be_read_is_said_in_a_line(tmp_path: Path, content: str | bytes, line: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError) as caught:
        read_yaml(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: {line}")
    assert message.isprintable()
    assert len(message) < len(str(path)) + 200


def test_a_folder_in_its_place_and_a_file_that_never_ends_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: not a file"):
        read_yaml(tmp_path)
    with pytest.raises(InputError, match="cannot be read: not a file"):
        read_yaml(Path("/dev/zero"))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("\ufeffa: 1\r\nb: 2\r\n", {"a": 1, "b": 2}),
        ("a: &x [1, 2]\nb: *x", {"a": [1, 2], "b": [1, 2]}),
        ("a: &x {c: 1}\nb: {<<: *x, d: 2}", {"a": {"c": 1}, "b": {"c": 1, "d": 2}}),
        ("a: " + "9" * 5000, {"a": "9" * 5000}),
        ("a: 2024-13-45\nb: !!bool maybe", {"a": "2024-13-45", "b": "maybe"}),
    ],
)
def test_what_is_unusual_is_read(tmp_path: Path, text: str, value: object) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(text.encode())
    assert read_yaml(path) == value
