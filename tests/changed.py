"""`python -m tests.changed`: the tests of the rooms that changed since the last commit, for `make quick`.

tests/ mirrors the tree: components/probes is tested in tests/probes, pipelines/train in tests/pipelines/train. The
house rules hold everywhere. Whole runs, which take minutes (test_end_to_end.py, test_remotes.py), are left to
`make test`.
"""

import subprocess
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parent.parent
MINUTES_LONG = {"test_end_to_end.py", "test_remotes.py"}


def find_tests(changed: str) -> PurePosixPath | None:
    """Return the file or folder of tests that a changed file asks for, or None."""
    path = PurePosixPath(changed)
    top, *below = path.parts
    if top == "tests":
        tests = path if path.name.startswith("test_") else path.parent
    elif top == "components" and len(below) > 1:
        tests = PurePosixPath("tests", below[0])
    elif top in ("pipelines", "presets", "benchmarks"):
        tests = PurePosixPath("tests", top, *below[:1] if len(below) > 1 else ())
    else:
        tests = PurePosixPath("tests", "test_docs.py") if path.suffix == ".md" else None
    if tests is None or tests.name in MINUTES_LONG or len(tests.parts) < 2:
        return None
    return tests if (ROOT / tests).exists() else None


def list_changes() -> list[str]:
    """Name every tracked or new file that differs from the last commit."""
    commands = (["diff", "--name-only", "HEAD"], ["ls-files", "--others", "--exclude-standard"])
    listed = (subprocess.run(["git", *rest], cwd=ROOT, capture_output=True, text=True, check=True) for rest in commands)
    return [name for done in listed for name in done.stdout.splitlines()]


def main() -> None:
    """Print the tests, one per line; none stands below another."""
    found = {tests for name in list_changes() if (tests := find_tests(name)) is not None}
    found.add(PurePosixPath("tests/test_house.py"))
    for tests in sorted(found):
        if not found & set(tests.parents):
            print(tests)


if __name__ == "__main__":
    main()
