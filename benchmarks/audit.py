"""Audits the packages of requirements.lock: their licences, and the published advisories that touch their versions.

`make audit` asks an advisory service by pip-audit, which needs a network. This needs none: `python -m benchmarks.audit
--advisories FOLDER`, where FOLDER is a clone of PyPA's advisory database (github.com/pypa/advisory-database,
CC-BY-4.0). Its files are in OSV's format (https://ossf.github.io/osv-schema/). Licences are what the packages' own
metadata say.
"""

import argparse
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version
from ruamel.yaml import YAML

from benchmarks.projects import ROOT
from benchmarks.records import write_record

PERMISSIVE = re.compile(
    r"\b(MIT|BSD|Apache|ISC|0BSD|PSF|Python Software Foundation|HPND|Zlib|Unlicense)\b", re.IGNORECASE
)
COPYLEFT = re.compile(r"\b(A|L)?GPL|\bMPL|Mozilla|\bEPL|\bCDDL|GNU", re.IGNORECASE)
SHORT = 60  # letters of a licence's name


def main() -> None:
    """Audit and write the record."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.audit", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--advisories", type=Path, required=True, help="a clone of PyPA's advisory database")
    advisories = parser.parse_args().advisories
    locked = read_lock(ROOT / "requirements.lock")
    licences = {name: find_licence(name) for name in locked}
    known = {name: licence for name, licence in licences.items() if licence}
    database = subprocess.run(
        ["git", "-C", str(advisories), "log", "-1", "--format=%H %cs"], check=True, capture_output=True, text=True
    ).stdout.split()
    checked, found = check_advisories(locked, advisories)
    record = {
        "packages": len(locked),
        "advisories": {
            "database": "pypa/advisory-database",
            "commit": database[0],
            "date": database[1],
            "of_these_packages": checked,
            "that_touch_a_locked_version": found,
        },
        "licences": dict(Counter(known.values()).most_common()),
        "not_only_mit_bsd_apache_or_alike": {name: text for name, text in known.items() if is_remarkable(text)},
        "not_installed_here": [name for name, licence in licences.items() if not licence],
    }
    write_record("audit", record)


def read_lock(path: Path) -> dict[str, str]:
    """Read the version of every package; a package may have several, by platform, of which the last counts."""
    return dict(re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?==([^\s;\\]+)", path.read_text(), re.MULTILINE))


def find_licence(name: str) -> str | None:
    """Find what a package's metadata say of its licence; None if it is not installed here."""
    try:
        about = metadata.metadata(name).json
    except metadata.PackageNotFoundError:
        return None
    classifiers = [text.rpartition(" :: ")[2] for text in about.get("classifier", ()) if text.startswith("License")]
    stated = str(about.get("license", "")).strip().partition("\n")[0]
    named = stated if len(stated) < SHORT else ""  # some put the whole text there
    return str(about.get("license_expression") or named or ", ".join(classifiers) or "not stated")


def is_remarkable(licence: str) -> bool:
    """Whether a licence asks for more than its text to be passed on, or is not known to."""
    return bool(COPYLEFT.search(licence)) or not PERMISSIVE.search(licence)


def check_advisories(locked: dict[str, str], folder: Path) -> tuple[int, list[dict[str, Any]]]:
    """Return how many advisories there are of these packages, and those that touch the locked versions."""
    versions = {str(canonicalize_name(name)): version for name, version in locked.items()}
    count, found = 0, []
    for advisory in read_advisories(folder, versions):
        for affected in advisory.get("affected", []):
            name = str(canonicalize_name(affected["package"]["name"]))
            count += name in versions
            if name in versions and not advisory.get("withdrawn") and touches(affected, versions[name]):
                found.append({"id": advisory["id"], "package": name, "version": versions[name]})
    return count, found


def read_advisories(folder: Path, names: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Read the advisories of these packages; a package's are in a folder of its name."""
    yaml = YAML(typ="safe")
    for package in sorted((folder / "vulns").iterdir()):
        if package.is_dir() and canonicalize_name(package.name) in names:
            yield from (yaml.load(path) for path in sorted(package.glob("*.yaml")))


def touches(affected: dict[str, Any], version: str) -> bool:
    """Whether a version is listed or lies in a range, as OSV's specification evaluates it."""
    if version in affected.get("versions", ()):
        return True
    events = [event for part in affected.get("ranges", ()) if part["type"] == "ECOSYSTEM" for event in part["events"]]
    is_affected = False
    for kind, text in sorted((next(iter(event.items())) for event in events), key=lambda event: parse(event[1])):
        if kind == "introduced" and parse(version) >= parse(text):
            is_affected = True
        elif (kind == "fixed" and parse(version) >= parse(text)) or (
            kind == "last_affected" and parse(version) > parse(text)
        ):
            is_affected = False
    return is_affected


def parse(text: str) -> Version:
    """Parse a version; one that nobody can parse is older than all."""
    try:
        return Version(text)
    except InvalidVersion:
        return Version("0")


if __name__ == "__main__":
    main()
