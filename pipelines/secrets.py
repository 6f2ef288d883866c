"""Hides passwords and tokens in what is printed, sent or kept: components/stage/secrets.py for the flows.

The flows know none of the stages, and read lines of Git, DVC and others that no stage has printed. A test holds the two
files alike.
"""

import re

HIDDEN = "***"
LONG = 4096  # characters of a password, at most; without an end a long line would be read again and again
USER = rf"[^\s\"<>/?#@]{{1,{LONG}}}"
PASSWORD = rf"(?!\[)[^\s\"<>/?#@:]{{0,{LONG}}}:(?!:|\d*(?:[/?#\s,'\"]|$))[^\s\"<>]{{0,{LONG}}}"  # no IPv6, port, ::
PLACES = [
    rf"(?i)(?<!github)(://){PASSWORD}(?=@)",  # fsspec's github://owner:repository@branch is no password
    rf"(?i)(?<=http|ttps|bdav|davs)(://){USER}(?=@)",  # there a token may stand alone; ssh://git@host is only a name
    rf"(?i)(%(?:25)*3A(?:%(?:25)*2F){{2}})(?:(?!%(?:25)*2F)[^\s&\"<>]){{1,{LONG}}}?(?=%(?:25)*40)",
    r"(?i)(://(?:hooks\.[\w.-]+|[\w.-]*\bwebhook\.[\w.-]+|api\.telegram\.org)/)[^\s\"<>]+",
    r"(?i)(/(?:web)?hooks?/)(?=\S{0,200}?(?:[a-z0-9]{20}|[0-9a-f]{8}-[0-9a-f]{4}-))[^\s\"<>]+",
    r"(?i)(\bauthorization['\"]?\s*[:=,]\s*['\"]?(?:(?:bearer|basic|token|digest)\s+)?)[^\s'\"]+",
]
SIGN = r"(?:[\w.$\[\]-]|%(?!(?:25)*(?:3D|26|3F))[0-9a-f]{2})"  # of a query's name
NAME = (
    rf"(?:{SIGN}{{0,64}}(?:token|secret|passw|pwd|passphrase|signature|credential|auth(?!or)|access[_-]?key){SIGN}{{0,64}}"
    rf"|{SIGN}{{0,64}}key|sig|sign|pass|pw|jwt|sas|code|hmac|sid|session(?:_?id)?)"
)
PLACES += [
    rf"(?i)((?:[?&;#]|\\u0026){NAME}=)[^\s&#\"<>\\]+",
    rf"(?i)(%(?:25)*(?:3F|26|23){NAME}%(?:25)*3D)(?:(?!%(?:25)*(?:26|23))[^\s&#\"<>\\])+",
]


def mask(text: str) -> str:
    """Return the text with *** in place of each password and token."""
    for place in PLACES:
        text = re.sub(place, rf"\g<1>{HIDDEN}", text)
    return text
