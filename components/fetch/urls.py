"""Tells what is wrong with the text of a path or URL, before anything is asked of a server or disk.

The texts come from params.yaml and from the rows of manifests, so the answers never repeat them: a URL may hold what
must not be printed. https://www.rfc-editor.org/rfc/rfc3986
"""

import re
from unicodedata import category
from urllib.parse import urlsplit

from components.stage.secrets import mask

LONGEST = 4096  # characters, as Linux allows in a path; buckets allow 1,024, and most web servers 8,000
UNREADABLE = ("Cc", "Cs", "Zl", "Zp")  # control characters, halves of characters, and line separators
SERVERS = r"(?i)([\w+.-]*https?|ftps?|sftp|ssh|smb|webdavs?|davs?)://"  # schemes in whose URLs a host is named
SECRET = (
    "holds a password or token, which would go into logs and dvc.lock; take it out of here, and give it in the "
    "environment, ~/.netrc or fsspec's own files, as docs/images.md shows under 'Passwords and tokens'"
)


def find_fault(url: str) -> str | None:
    """Return what is wrong with a path or URL, and what to do, or None."""
    if len(url) > LONGEST:
        return f"{len(url):,} characters; no path or URL has more than {LONGEST:,}"
    if strange := [character for character in url if category(character) in UNREADABLE]:
        return f"holds the character {strange[0]!a}, which no path or URL has; take it out"
    if "://" not in url:
        return None
    if mask(url) != url:
        return SECRET
    if url != url.strip():
        return "begins or ends with a blank; take it out"
    links = re.split(r"::(?=[A-Za-z][\w+.-]*://)", url)  # zip://a.png::https://example.org/a.zip
    return next(filter(None, (_find_fault_of_host(link) for link in links if re.match(SERVERS, link))), None)


def _find_fault_of_host(url: str) -> str | None:
    """Return what is wrong with the host and port of a URL, or None."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        return f"not a URL: {error}"
    host = parts.hostname or ""
    try:
        port = parts.port
        host.rstrip(".").encode("idna")  # an international name as the DNS has it
    except UnicodeError:
        return f"the host {ascii(host)[:80]} is not a name: its parts have 1 to 63 characters each"
    except ValueError:
        return "its port is not a number from 1 to 65,535"
    if port == 0:
        return "its port is not a number from 1 to 65,535"
    if not host:
        return "names no host between :// and the next /"
    is_name = ":" in host or not re.search(r"[\s\"<>\\^`{|}%]", host)  # : of an address of IPv6
    return None if is_name else f"the host {ascii(host)[:80]} is not a name"
