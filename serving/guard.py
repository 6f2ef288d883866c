"""Decides who may ask: a request names a host of this service, comes from no other site, and has the token.

A page elsewhere can make a browser send requests here. It cannot choose what the browser says of it: the headers Origin
and Sec-Fetch-Site (https://www.w3.org/TR/fetch-metadata/), and, if its own name was made to point here (DNS rebinding),
Host. Host may therefore be an address, which no name is, or one of the names that were given.
"""

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from serving.refusal import Refusal

COOKIE = "serving"
NAMED = re.compile(r"(?P<name>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]{1,253})(:(?P<port>\d{1,5}))?")
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def is_address(name: str) -> bool:
    """Whether a host is an IP address."""
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def is_local(host: str) -> bool:
    """Whether only this machine reaches a host that is listened on."""
    return host == "localhost" or (is_address(host) and ipaddress.ip_address(host.strip("[]")).is_loopback)


@dataclass(frozen=True)
class Guard:
    """Checks the head of a request."""

    names: frozenset[str]  # of this service, in lower case, beside its addresses
    token: str | None

    def check(self, headers: Mapping[str, str], method: str, query: str) -> None:
        """Check a request. Raises Refusal."""
        host = self.check_host(headers.get("host"))
        check_origin(headers, method, host)
        if self.token is not None and not self.knows(headers, query):
            way = "send it as `Authorization: Bearer TOKEN`, or open /?token=TOKEN in a browser"
            raise Refusal(401, f"the token is missing or wrong: {way}")

    def check_host(self, host: str | None) -> str:
        """Check the host that a request names, and return it. Raises Refusal."""
        found = NAMED.fullmatch(host or "")
        if found is None:
            raise Refusal(400, "the header Host is missing, or no host")
        name = found["name"].lower()
        if not is_address(name) and name.removesuffix(".") not in self.names:
            raise Refusal(403, "this service is not called as the header Host says; --name adds a name")
        return found[0].lower()

    def knows(self, headers: Mapping[str, str], query: str) -> bool:
        """Whether a request has the token: in its header, in the cookie that the page got, or in the query."""
        assert self.token is not None
        kind, _, bearer = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and equal(bearer.strip(), self.token):
            return True
        return equal(read_cookie(headers), self.make_cookie()) or self.is_asked_by(query)

    def is_asked_by(self, query: str) -> bool:
        """Whether a query has the token, as the address that is printed at the start."""
        if self.token is None or "token=" not in query:
            return False
        try:
            given = parse_qs(query, max_num_fields=100).get("token", [""])[0]
        except ValueError:  # more fields than that
            return False
        return equal(given, self.token)

    def make_cookie(self) -> str:
        """Return what the browser keeps in place of the token, which stands in no cookie."""
        return hmac.new((self.token or "").encode(), b"cookie of the page", hashlib.sha256).hexdigest()


def equal(given: str, wanted: str) -> bool:
    """Compare secrets in a time that does not tell where they differ; nothing is equal to an empty one."""
    return hmac.compare_digest(given.encode(errors="surrogateescape"), wanted.encode()) and bool(wanted)


def read_cookie(headers: Mapping[str, str]) -> str:
    """Read the page's cookie; an empty text if there is none.

    It needs no quotes, so that the parser of Python's library, which takes seconds for a hostile head, is not asked.
    """
    pairs = (pair.strip().partition("=") for pair in headers.get("cookie", "").split(";"))
    return next((value for name, _, value in pairs if name == COOKIE), "")


def check_origin(headers: Mapping[str, str], method: str, host: str) -> None:
    """Check that no other site sends a request. Raises Refusal."""
    other = Refusal(403, "the request comes from a page of another site")
    if (origin := headers.get("origin")) is not None:
        try:
            parts = urlsplit(origin)
        except ValueError:
            raise other from None
        if parts.scheme not in ("http", "https") or parts.netloc.lower() != host:
            raise other
    site = headers.get("sec-fetch-site", "none").lower()
    follows_link = method == "GET" and headers.get("sec-fetch-mode", "").lower() == "navigate"
    if site not in ("none", "same-origin") and not (follows_link and headers.get("sec-fetch-dest") == "document"):
        raise other
