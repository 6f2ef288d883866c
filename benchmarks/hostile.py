"""Sends three hundred hostile requests to a service: is each refused with 4xx in one line, and does it live on?

`python -m benchmarks.hostile` needs a checkout in which the pipeline has run, with a classifier and an index. Some are
sent at the same time, and after each portion a right request must be answered. Then schemathesis makes requests from
the service's own document.
"""

import argparse
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error

from benchmarks.hostile_sent import Answer, send
from benchmarks.hostile_uploads import Upload, make_uploads
from benchmarks.records import write_record
from benchmarks.service import Running, is_alive, run_service
from components.stage.command import exit_on_error
from components.stage.errors import RunError
from components.store.store import SPLITS, Store

PORTION = 30  # hostile requests between two right ones


def main() -> None:
    """Send them, print a line per kind, and write the record."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hostile", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--at-once", type=int, default=4)
    parser.add_argument("--examples", type=int, default=100, help="of schemathesis, for each operation")
    parser.add_argument("--store", type=Path, default=Path("data/store"))
    asked = parser.parse_args()
    with exit_on_error("hostile"):
        store = Store(asked.store)
        image = store.read_group(store.find_groups(SPLITS)[0])[0]
        with run_service() as running:
            hostile = send_hostile(running, image, asked.seed, asked.at_once)
            by_document = ask_by_document(running, asked.examples)
        record = {"settings": {"seed": asked.seed, "at_once": asked.at_once}, "hostile": hostile}
        write_record("hostile", {**record, "schemathesis": by_document}, "fastapi", "uvicorn", "pillow", "schemathesis")
        if hostile["refused"] < hostile["sent"] or by_document["server_errors"]:
            raise RunError("not all was refused, or the service failed; the record says which")


def send_hostile(running: Running, image: bytes, seed: int, at_once: int) -> dict[str, Any]:
    """Send the uploads in portions, and a right request after each. Raises RunError if that is not answered."""
    uploads, answers = make_uploads(seed), list[Answer]()
    began, memory = time.perf_counter(), [running.measure_memory()]
    client = httpx.Client(base_url=running.address, timeout=90, trust_env=False)
    with client, ThreadPoolExecutor(at_once) as pool:
        for first in range(0, len(uploads), PORTION):
            answers += pool.map(lambda upload: send(client, upload), uploads[first : first + PORTION])
            if not is_alive(client, image):
                raise RunError(f"the service does not answer a right request after {len(answers)} hostile ones")
            memory.append(running.measure_memory())
    for upload, answer in zip(uploads, answers, strict=True):
        if not answer.refuses:
            print(f"NOT REFUSED: {upload.kind} {upload.method} {upload.path[:80]}: {answer.status} {answer.text[:200]}")
    return {
        "sent": len(uploads),
        "refused": sum(answer.refuses for answer in answers),
        "right_requests_between": len(memory) - 1,
        "seconds": round(time.perf_counter() - began, 1),
        "memory_mb": {"before": round(memory[0], 1), "after": round(memory[-1], 1), "highest": round(max(memory), 1)},
        "by_kind": count_kinds(uploads, answers),
    }


def count_kinds(uploads: list[Upload], answers: list[Answer]) -> dict[str, dict[str, int]]:
    """Count the statuses of each kind, and print them."""
    counted: dict[str, Counter[str]] = defaultdict(Counter)
    for upload, answer in zip(uploads, answers, strict=True):
        counted[upload.kind][str(answer.status)] += 1
    for kind, statuses in counted.items():
        print(f"{kind:32} {', '.join(f'{count} x {status}' for status, count in sorted(statuses.items()))}", flush=True)
    return {kind: dict(sorted(statuses.items())) for kind, statuses in counted.items()}


def ask_by_document(running: Running, examples: int) -> dict[str, int]:
    """Let schemathesis make requests from the document; count them, and the answers by 5xx that are none of its."""
    schema = schemathesis.openapi.from_url(f"{running.address}/openapi.json")
    limits = settings(
        max_examples=examples, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    statuses: Counter[int] = Counter()
    listed: list[Any] = list(schema.get_all_operations())
    operations = [result.ok() for result in listed]
    for operation in operations:

        @given(case=operation.as_strategy())
        @limits
        def ask(case: Any) -> None:
            answer = case.call()
            statuses[answer.status_code] += 1
            case.validate_response(answer, checks=[not_a_server_error])

        ask()
    print(f"schemathesis: {sum(statuses.values()):,} requests: {dict(sorted(statuses.items()))}")
    errors = sum(count for status, count in statuses.items() if status >= 500)
    return {"operations": len(operations), "requests": sum(statuses.values()), "server_errors": errors}


if __name__ == "__main__":
    main()
