"""Archives that are damaged or made to do harm: each member is listed, and nothing is ever written anywhere."""

import gzip
import hashlib
import io
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from components.fetch.sources.places import Places
from components.stage.errors import InputError
from tests.fetch.archives import (
    KINDS,
    archive_source,
    damage,
    read_archive,
    read_faults,
    set_flag,
    write_tar,
    write_zip,
)

FILES = {"cat/a.png": b"cat a", "dog/b.png": b"dog b", "d.png": b"d"}
OUT = "its path leads out of the archive"


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "tar.xz", "zip"])
@pytest.mark.parametrize("share", [0.3, 0.7, 0.97])
def test_half_an_archive_is_not_taken_for_the_whole(kind: str, share: float, file: Path, places: Places) -> None:
    """Somebody who gave an archive's hash may have only half of it; some parsers stop without a word."""
    noise = b"".join(hashlib.sha256(bytes([number])).digest() for number in range(100))
    KINDS[kind](file, {f"{number}.png": noise[: 600 * number] for number in range(1, 6)})
    content = file.read_bytes()
    whole = len(content) if kind != "tar" else content.rfind(b"4.png") + 3000  # then come zeros
    file.write_bytes(content[: int(share * whole)])
    with pytest.raises(InputError, match=r"images\.archive: no tar or zip file, or a damaged one: ") as error:
        read_archive(archive_source(file), places)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "content",
    [b"", b"GIF89a", b"PK\3\4" + b"x" * 600, gzip.compress(b"no tar" * 999, mtime=0), b"\xfd7zXZ\0" + b"x" * 600],
)
def test_what_is_no_archive_is_one_line(content: bytes, file: Path, places: Places) -> None:
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"images\.archive: no tar or zip file, or a damaged one: ") as error:
        read_archive(archive_source(file), places)
    assert "\n" not in str(error.value)


def test_a_broken_header_in_the_middle_does_not_end_the_list_without_a_word(file: Path, places: Places) -> None:
    damage(write_tar(file, FILES), b"dog/b.png", b"dog/B.png")  # its checksum is wrong now
    with pytest.raises(InputError, match="a damaged one: at byte 1,024: bad checksum"):
        read_archive(archive_source(file), places)


def test_paths_that_lead_out_of_an_archive_are_listed_and_nothing_is_written(
    file: Path, tmp_path: Path, places: Places
) -> None:
    names = [
        "../up.png",
        "a/../../up.png",
        "/abs.png",
        "C:\\win.png",
        "c:win.png",
        "..\\up2.png",
        "\\\\host\\share.png",
    ]
    before = set(tmp_path.rglob("*"))
    assert set(read_faults(write_zip(file, dict.fromkeys(names, b"x")), places).values()) == {OUT}
    faults = read_faults(write_tar(file, dict.fromkeys([*names, "good.png"], b"x")), places)
    assert {path for path, fault in faults.items() if fault == OUT} >= {*names[:3], r"C:\\win.png", "c:win.png"}
    assert faults["good.png"] is None
    written = {path for path in set(tmp_path.rglob("*")) - before if path.is_file()}
    assert written <= {file, places.hashes}


def test_what_is_no_file_of_its_own_is_listed(file: Path, places: Places) -> None:
    odd = {"soft.png": tarfile.SYMTYPE, "hard.png": tarfile.LNKTYPE, "pipe.png": tarfile.FIFOTYPE}
    odd |= {"null.png": tarfile.CHRTYPE, "disk.png": tarfile.BLKTYPE, "folder": tarfile.DIRTYPE}
    assert read_faults(write_tar(file, {"cat/a.png": b"a"}, "w", **odd), places) == {
        "cat/a.png": None,
        "soft.png": "a link",
        "hard.png": "a link",
        "pipe.png": "not a file but a device or a pipe",
        "null.png": "not a file but a device or a pipe",
        "disk.png": "not a file but a device or a pipe",
    }
    with zipfile.ZipFile(file, "w") as archived:
        link = zipfile.ZipInfo("link.png")
        link.external_attr = 0o120777 << 16
        archived.writestr(link, "/etc/passwd")
        archived.mkdir("folder")
    assert read_faults(file, places) == {"link.png": "a link"}


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_does_not_unpack_to_more_than_it_claims(file: Path, places: Places) -> None:
    """The member claims a thousand zeros, and sixty million come."""
    write_zip(file, {"a/bomb.png": bytes(60_000_000)})
    claimed, real = (1000).to_bytes(4, "little"), (60_000_000).to_bytes(4, "little")
    file.write_bytes(file.read_bytes().replace(real, claimed))
    tracemalloc.start()
    faults = read_faults(file, places)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert str(faults["a/bomb.png"]).startswith("damaged in the archive: ")
    assert peak < 20_000_000


def test_of_two_members_with_one_name_the_first_counts_and_the_other_is_listed(file: Path, places: Places) -> None:
    with zipfile.ZipFile(file, "w") as archived:
        for content in ("one", "two"):
            archived.writestr("a.png", content)
    twice = archive_source(file, "flat")
    assert [(image.content, image.fault) for image in read_archive(twice, places)] == [
        (b"one", None),
        (b"", "its name comes more than once"),
    ]
    with tarfile.open(file, "w") as archived_:
        for name in ("./a.png", "a.png", "b//c.png", "b/c.png"):
            info = tarfile.TarInfo(name)
            info.size = 1
            archived_.addfile(info, io.BytesIO(b"x"))
    again = "its name comes more than once"
    faults = [(image.path, image.fault) for image in read_archive(archive_source(file, "flat"), places)]
    assert faults == [("a.png", None), ("a.png", again), ("b/c.png", None), ("b/c.png", again)]


def test_a_member_that_cannot_be_unpacked_is_listed_and_the_others_come(file: Path, places: Places) -> None:
    write_zip(file, {"a.png": b"aaaa", "b.png": b"bbbb"}, method=zipfile.ZIP_STORED)
    faults = read_faults(damage(file, b"aaaa", b"aAaa"), places)
    assert faults == {"a.png": "damaged in the archive: Bad CRC-32 for file 'a.png'", "b.png": None}
    write_zip(file, {"a.png": b"a" * 1000, "b.png": b"b"})
    assert read_faults(set_flag(file, 1), places) == dict.fromkeys(
        ("a.png", "b.png"), "encrypted; pack it without a password"
    )
    write_zip(file, {"a.png": b"a" * (places.max_bytes + 1), "b.png": b"b"})
    assert read_faults(file, places) == {"a.png": "1,000,001 bytes are more than data.limits.max_bytes", "b.png": None}
