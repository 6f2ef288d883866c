"""Tell how the files of a zip file are called and compressed, where programs differ from its specification.

A flag says that names are UTF-8, and an extra field may hold the name in Unicode; else the specification has names in
code page 437, but programs write what their system uses: UTF-8 on Macs and Linux, GBK or Shift JIS on Windows.
https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, 4.4.4, 4.4.5, 4.6.9
"""

import struct
import zipfile
import zlib

from components.fetch.sources.candidate import escape_name

UTF8 = 0x800  # bit of a member's flags
UNICODE_PATH = 0x7075  # id of the extra field
READ = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
METHODS = {9: "Deflate64, as Windows Explorer packs large files", 93: "Zstandard", 95: "XZ", 98: "PPMd"}


def describe_method(method: int) -> str | None:
    """Return what is wrong with the method by which a file is compressed, and what to do; None if it is read."""
    if method in READ:
        return None
    return f"compressed by {METHODS.get(method, f'method {method}')}, which is not read; pack it anew with Deflate"


def decode_names(infos: list[zipfile.ZipInfo], url: str) -> list[str]:
    r"""Return the escaped name of each member, with / between folders.

    Names in no encoding that is known keep their bytes, as \xd6\xd0, and a line says so.
    """
    raw = [_get_unknown_bytes(info) for info in infos]
    is_utf8 = all(name is None or _is_utf8(name) for name in raw)
    names = []
    for info, name in zip(infos, raw, strict=True):
        if name is None or is_utf8:
            known = name.decode() if name else _read_unicode_path(info) or info.filename
            names.append(escape_name(known.replace("\\", "/")))  # Windows writes backslashes
        else:  # in GBK and Shift JIS, a part of a character may look like a backslash
            names.append(name.replace(b"\\", b"\\\\").decode("ascii", "backslashreplace"))
    if not is_utf8:
        unknown = [info for info, name in zip(infos, raw, strict=True) if name is not None]
        first = next(name for name in raw if name is not None).decode("ascii", "backslashreplace")
        print(
            f"warning: {url}: {len(unknown):,} of its names are in an unknown encoding, such as GBK, and keep their "
            f"bytes, as {first}; pack it anew with names in UTF-8",
            flush=True,
        )
    return names


def _get_unknown_bytes(info: zipfile.ZipInfo) -> bytes | None:
    """Return the bytes of a name whose encoding the zip file does not tell, or None if it does or they are ASCII."""
    if info.flag_bits & UTF8 or info.orig_filename.isascii() or _read_unicode_path(info):
        return None
    return info.filename.encode("cp437")  # as `zipfile` has decoded it


def _read_unicode_path(info: zipfile.ZipInfo) -> str | None:
    """Return the name in the extra field, or None if there is none or it belongs to another name."""
    extra = info.extra
    while len(extra) >= 4:
        kind, size = struct.unpack("<HH", extra[:4])
        field, extra = extra[4 : 4 + size], extra[4 + size :]
        if kind == UNICODE_PATH and len(field) > 5 and not info.flag_bits & UTF8:
            (checksum,) = struct.unpack("<L", field[1:5])
            if checksum == zlib.crc32(info.orig_filename.encode("cp437")) and _is_utf8(field[5:]):
                return field[5:].decode()
    return None


def _is_utf8(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True
