"""Which versions an advisory touches, by the rules of OSV's specification, and which licences are remarkable."""

from pathlib import Path

import pytest

from benchmarks import audit


@pytest.mark.parametrize(
    ("version", "is_touched"),
    [("1.0", False), ("1.2", True), ("1.9.9", True), ("2.0", False), ("2.9", False), ("3.1", True), ("3.2", False)],
)
def test_a_version_lies_in_a_range_or_is_listed(version: str, is_touched: bool) -> None:
    events = [{"introduced": "1.2"}, {"fixed": "2.0"}, {"introduced": "3"}, {"last_affected": "3.1"}]
    affected = {"ranges": [{"type": "ECOSYSTEM", "events": events}, {"type": "GIT", "events": [{"introduced": "0"}]}]}
    assert audit.touches(affected, version) == is_touched
    assert audit.touches({"versions": ["1.0", version]}, version)
    assert audit.touches({"ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}]}]}, version)


def test_advisories_are_found_by_the_name_however_it_is_spelt(tmp_path: Path) -> None:
    (tmp_path / "vulns/ruamel-yaml").mkdir(parents=True)
    affected = "affected: [{package: {name: ruamel.yaml}, versions: ['0.1']}]\n"
    (tmp_path / "vulns/ruamel-yaml/A.yaml").write_text(f"id: A\n{affected}")
    (tmp_path / "vulns/ruamel-yaml/B.yaml").write_text(f"id: B\nwithdrawn: 2024-01-01\n{affected}")
    found = [{"id": "A", "package": "ruamel-yaml", "version": "0.1"}]
    assert audit.check_advisories({"ruamel.yaml": "0.1"}, tmp_path) == (2, found)
    assert audit.check_advisories({"ruamel.yaml": "0.2"}, tmp_path) == (2, [])


def test_the_lock_is_read(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text(
        "a-b==1.0 \\\n    --hash=sha256:0\nc[x,y]==2.0 ; python_version < '3.13' \\\n    --hash=0\n"
    )
    assert audit.read_lock(tmp_path / "lock") == {"a-b": "1.0", "c": "2.0"}


def test_what_is_not_permissive_is_remarkable() -> None:
    assert not any(map(audit.is_remarkable, ("MIT", "BSD License", "Apache-2.0 AND MIT", "ISC License (ISCL)")))
    assert all(
        map(audit.is_remarkable, ("MPL-2.0 AND MIT", "GPLv2 with linking exception", "Proprietary", "not stated"))
    )
