"""Zip files of every system: names are what they were, or are said aloud; what is not read is named with what to do."""

import struct
import zlib
from pathlib import Path

import pytest

from components.fetch.sources.places import Places
from components.stage.errors import InputError
from tests.fetch.archives import archive_source, read_archive, read_faults, write_tar, write_zip


def write_names(file: Path, names: list[bytes], extra: bytes = b"") -> Path:
    """Write a zip file whose names are these bytes, without a word on their encoding (APPNOTE 4.3.7, 4.3.12)."""
    body, entries = b"", b""
    for name in names:
        head = struct.pack("<HHHHHLLLHH", 20, 0, 0, 0, 0, zlib.crc32(b"x"), 1, 1, len(name), len(extra))
        entries += (
            b"PK\1\2" + struct.pack("<H", 20) + head + struct.pack("<HHHLL", 0, 0, 0, 0, len(body)) + name + extra
        )
        body += b"PK\3\4" + head + name + extra + b"x"
    end = struct.pack("<HHHHLLH", 0, 0, len(names), len(names), len(entries), len(body), 0)
    file.write_bytes(body + entries + b"PK\5\6" + end)
    return file


def get_paths(file: Path, places: Places) -> list[tuple[str, str | None]]:
    images = read_archive(archive_source(file), places)
    assert [(image.content, image.fault) for image in images] == [(b"x", None)] * len(images)
    return [(image.path, image.label) for image in images]


def test_names_in_utf8_that_no_flag_tells_are_read(
    file: Path, places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    """Macs write such names, and programs for Windows with backslashes."""
    write_names(file, ["Köln/1.png".encode(), "中文\\2.png".encode(), b"ant\\3.png"])
    assert get_paths(file, places) == [("Köln/1.png", "Köln"), ("中文/2.png", "中文"), ("ant/3.png", "ant")]
    assert not capsys.readouterr().out


@pytest.mark.parametrize("encoding", ["gbk", "shift_jis"])
def test_names_in_an_unknown_encoding_keep_their_bytes_and_it_is_said(
    encoding: str, file: Path, places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = ["表示/1.png".encode(encoding), "花/2.png".encode(encoding), b"plain/3.png"]  # Shift JIS has a \ in the first
    expected = [name.replace(b"\\", b"\\\\").decode("ascii", "backslashreplace") for name in raw]
    assert get_paths(write_names(file, raw), places) == [(path, path.split("/")[0]) for path in expected]
    said = capsys.readouterr().out
    assert said.startswith(f"warning: {file}: 2 of its names are in an unknown encoding, such as GBK, and keep their ")
    assert said.count("\n") == 1


def test_the_name_in_unicode_that_a_program_adds_counts(file: Path, places: Places) -> None:
    raw = "中文/1.png".encode("gbk")
    name = "中文/1.png".encode()
    for checksum, path in ((zlib.crc32(raw), "中文/1.png"), (0, r"\xd6\xd0\xce\xc4/1.png")):
        field = b"\1" + struct.pack("<L", checksum) + name
        write_names(file, [raw], struct.pack("<HH", 0x7075, len(field)) + field)
        assert [path for path, _ in get_paths(file, places)] == [path]


@pytest.mark.parametrize(
    ("method", "name"), [(9, "Deflate64, as Windows Explorer packs large files"), (93, "Zstandard"), (21, "method 21")]
)
def test_a_method_that_is_not_read_is_named(method: int, name: str, file: Path, places: Places) -> None:
    write_zip(file, {"a/1.png": b"x" * 99, "a/2.png": b"y" * 99}, method=8)
    content = bytearray(file.read_bytes())
    for magic, offset in ((b"PK\3\4", 8), (b"PK\1\2", 10)):  # of the first member
        place = content.find(magic)
        content[place + offset : place + offset + 2] = struct.pack("<H", method)
    file.write_bytes(content)
    fault = f"compressed by {name}, which is not read; pack it anew with Deflate"
    assert read_faults(file, places) == {"a/1.png": fault, "a/2.png": None}


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (
            b"\x28\xb5\x2f\xfd" + bytes(99),
            "compressed by Zstandard; run `zstd -d` on it, and name the file that comes out",
        ),
        (b"7z\xbc\xaf\x27\x1c" + bytes(99), "a 7z archive; unpack it and pack a tar or zip file, or name the folder"),
        (b"Rar!\x1a\x07\1\0" + bytes(99), "a RAR archive; unpack it and pack a tar or zip file, or name the folder"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS and not the file itself; "),
        (b"<!DOCTYPE html><html>404</html>", "a web page, perhaps of a login or an error; download the file itself"),
    ],
)
def test_what_is_no_archive_that_is_read_is_called_what_it_is(
    content: bytes, line: str, file: Path, places: Places
) -> None:
    file.write_bytes(content)
    with pytest.raises(InputError) as error:
        read_archive(archive_source(file), places)
    assert str(error.value).startswith(f"{file}: {line}")


def test_what_a_tar_file_holds_of_a_mac_has_one_spelling(file: Path, places: Places) -> None:
    write_tar(file, {"Ko\u0308ln/1.png": b"x", "Köln/2.png": b"x"})
    assert get_paths(file, places) == [("Köln/1.png", "Köln"), ("Köln/2.png", "Köln")]
