"""`python -m tests.changed`: the tests of the rooms that changed since the last commit, for `make quick`.

tests/ mirrors the tree: components/probes is tested in tests/probes, pipelines/train in tests/pipelines/train. The
house rules hold everywhere. Whole runs, which take minutes (test_end_to_end.py, test_flows_end_to_end.py,
test_remotes.py), are left to `make test`.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parent.parent
MINUTES_LONG = {"test_end_to_end.py", "test_flows_end_to_end.py", "test_remotes.py"}


def find_tests(changed: str) -> Iterator[PurePosixPath]:
    """Yield the files and folders of tests that a changed file asks for."""
    path = PurePosixPath(changed)
    top, *below = path.parts
    if top == "tests":
        yield path if path.name.startswith("test_") else path.parent
    elif top == "components" and len(below) > 1:
        yield PurePosixPath("tests", below[0])
        if path.name == "objective.py":
            yield PurePosixPath("tests/pretrain/test_objectives.py")
    elif top in ("pipelines", "presets", "benchmarks", "serving"):
        yield PurePosixPath("tests", top, *below[:1] if len(below) > 1 else ())
    elif path.suffix == ".md":
        yield PurePosixPath("tests/test_docs.py")
    if changed in ("params.yaml", "dvc.yaml") or path.name == "params.py" or changed.startswith("components/flows/"):
        yield PurePosixPath("tests/stage")


def list_tests(changed: str) -> Iterator[PurePosixPath]:
    """Yield those of the tests that there are, or what is nearest above them, without runs of minutes."""
    for wanted in find_tests(changed):
        tests = next(path for path in (wanted, *wanted.parents) if (ROOT / path).exists())
        if tests.name not in MINUTES_LONG and len(tests.parts) > 1:
            yield tests


def list_changes() -> list[str]:
    """Name every tracked or new file that differs from the last commit."""
    commands = (["diff", "--name-only", "HEAD"], ["ls-files", "--others", "--exclude-standard"])
    listed = (subprocess.run(["git", *rest], cwd=ROOT, capture_output=True, text=True, check=True) for rest in commands)
    return [name for done in listed for name in done.stdout.splitlines()]


def main() -> None:
    """Print the tests, one per line; none stands below another."""
    found = {tests for name in list_changes() for tests in list_tests(name)}
    found.add(PurePosixPath("tests/test_house.py"))
    for tests in sorted(found):
        if not found & set(tests.parents):
            print(tests)


if __name__ == "__main__":
    main()
