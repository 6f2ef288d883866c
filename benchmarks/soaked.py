"""The tiny project that benchmarks/soak.py serves: its nights, and what they cost.

Everything that the nights could leave lies in one folder: the home, Prefect's, DVC's cache of the machine, and
temporary files.
"""

import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import psutil

from benchmarks.projects import ROOT
from tests.pipelines.retrain import nights

FEW, MANY, NEW = 100, 250, 5  # photos; NEW of them begin a retraining
OVER = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
START_SECONDS, NIGHT_SECONDS = 300.0, 600.0
MEGABYTE = 1e6
DRIFT = """
import json, sys
from pathlib import Path
Path(sys.argv[sys.argv.index("--metrics") + 1]).write_text(json.dumps({"p_value": 0.5, "new": 100}))
"""
DOWN = """
import sys
if Path(params["data"]["folder"], "down").exists():
    print("the source does not answer", file=sys.stderr); sys.exit(1)
digest ="""
SHIFTS = {"flow_run": "end_time", "events": "occurred", "event_resources": "occurred"}


class Soaked:
    """A served checkout with its remotes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.project = nights.make_project(folder)
        self.root, self.photos = self.project.root, self.project.root / "photos"
        self.environment = self.project.environment | {
            "PREFECT_SERVER_API_PORT": str(find_free_port()),
            "PREFECT_SERVER_SERVICES_DB_VACUUM_LOOP_SECONDS": "60",  # a night is a day here
            "PREFECT_RUNNER_POLL_FREQUENCY": "1",
            "TMPDIR": str(folder / "tmp"),
            "PYTHONWARNINGS": "ignore",
        }
        (folder / "tmp").mkdir()
        self.prepare()

    def prepare(self) -> None:
        """Add what the tiny project lacks: a drift, a source that can be down, and a number of new photos."""
        (self.root / "pipelines").symlink_to(ROOT / "pipelines")
        with (self.root / ".git/info/exclude").open("a") as file:
            file.write("/pipelines\n")
        (self.root / "components/drift").mkdir()
        (self.root / "components/drift/__init__.py").touch()
        (self.root / "components/drift/__main__.py").write_text(DRIFT)
        self.replace("components/fetch/snapshot.py", "digest =", DOWN.lstrip("\n"))
        self.replace("params.yaml", "new_images: 1", f"new_images: {NEW}")
        self.replace(
            "dvc.yaml", "store: store", "store: store, encoder: models/encoder, embeddings: predictions/vote.parquet"
        )
        self.project.run("dvc", "config", "core.site_cache_dir", str(self.folder / "site"))
        self.project.commit("the soaked project")
        self.project.run("git", "push", "--quiet", "origin", "main")

    def replace(self, name: str, old: str, new: str) -> None:
        """Replace a text in a file of the project, once."""
        path = self.root / name
        text = path.read_text()
        assert old in text, name
        path.write_text(text.replace(old, new, 1))

    def __enter__(self) -> Self:
        """Serve, and wait until it says how a retraining is asked for."""
        self.log = self.folder / "served.log"
        with self.log.open("w") as file:
            self.started = subprocess.Popen(
                [sys.executable, "-m", "pipelines.retrain", "--serve"],
                cwd=self.root,
                env=self.environment,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        self.serving = psutil.Process(self.started.pid)
        until = time.monotonic() + START_SECONDS
        while not (
            asking := re.search(r"to retrain now: (.*) prefect deployment run '?([^'\n]+)", self.log.read_text())
        ):
            assert time.monotonic() < until, self.log.read_text()
            assert self.started.poll() is None, self.log.read_text()
            time.sleep(0.5)
        self.client = self.connect(asking[1])
        self.deployment = self.find_deployment(asking[2])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the serving process."""
        if error is not None:
            print(self.log.read_text()[-4000:], file=sys.stderr)
        self.started.send_signal(signal.SIGTERM)
        self.started.wait(60)

    def connect(self, variables: str) -> httpx.Client:
        """Connect to the server as the variables that the serving process prints say."""
        command = ["sh", "-c", f"{variables} env"]
        printed = subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=True).stdout
        known = dict(line.partition("=")[::2] for line in printed.splitlines())
        user, _, password = known.get("PREFECT_API_AUTH_STRING", "").partition(":")
        auth = httpx.BasicAuth(user, password) if password else None
        return httpx.Client(base_url=known["PREFECT_API_URL"], auth=auth, timeout=60, trust_env=False)

    def find_deployment(self, name: str) -> str:
        """Return the deployment's id."""
        return str(self.ask("GET", f"/deployments/name/{name}")["id"])

    def ask(self, method: str, path: str, **content: Any) -> Any:
        """Return the server's answer; on a busy machine it may be long in coming."""
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                answer = self.client.request(method, path, **content)
                if answer.is_success:
                    return answer.json()
                problem = f"{answer.status_code} {answer.text}"
            except httpx.TransportError as error:
                problem = repr(error)
            assert time.monotonic() < until, problem
            time.sleep(0.5)

    def set_scene(self, kind: str, cycle: int) -> None:
        """Lay out the photos of a night; each cycle has photos that were never seen."""
        begin = 1000 * cycle
        if kind == "promoted":
            self.lay_out(range(begin, begin + (MANY if cycle else FEW)))  # the first champion is one to go back to
        elif kind == "waiting":
            last = max(int(path.stem) for path in self.photos.glob("*.txt"))
            nights.take_photos(self.photos, range(last + 1, last + NEW - 2))
        elif kind == "killed":
            self.lay_out(range(begin + 400, begin + 400 + FEW))
        elif kind == "poisoned":
            self.lay_out(range(begin + 400, begin + 400 + FEW), wrong=FEW // 2)
        (self.photos / "down").unlink(missing_ok=True)
        if kind == "down":
            (self.photos / "down").touch()

    def lay_out(self, numbers: range, *, wrong: int = 0) -> None:
        """Replace all photos."""
        shutil.rmtree(self.photos)
        nights.take_photos(self.photos, numbers, wrong=wrong)

    def retrain(self, is_killed: bool) -> dict[str, Any]:
        """Ask for a retraining and wait until it is over; kill its process in the middle if told so."""
        slow, started = self.root / "scratch/slow", self.root / "scratch/started"
        started.unlink(missing_ok=True)
        if is_killed:
            slow.touch()
        began, used = time.monotonic(), self.read_cpu_seconds()
        key = {"idempotency_key": str(began)}
        run = self.ask("POST", f"/deployments/{self.deployment}/create_flow_run", json=key)["id"]
        while (state := self.ask("GET", f"/flow_runs/{run}")["state"])["type"] not in OVER:
            assert time.monotonic() < began + NIGHT_SECONDS, state
            if is_killed and started.exists():
                for flow in self.list_flows():
                    flow.kill()
                slow.unlink(missing_ok=True)
                is_killed = False
            time.sleep(0.2)
        while self.list_flows():
            time.sleep(0.2)
        seconds = time.monotonic() - began
        cpu_seconds = self.read_cpu_seconds() - used
        return {"state": state["name"], "said": state["message"], "seconds": seconds, "cpu_seconds": cpu_seconds}

    def list_flows(self) -> list[psutil.Process]:
        """List the processes of flows, which Prefect spawns, until their ends are noticed."""
        flows = []
        for process in self.serving.children():
            try:
                if process.status() == psutil.STATUS_ZOMBIE or "multiprocessing.spawn" in " ".join(process.cmdline()):
                    flows.append(process)
            except psutil.Error:  # it has just ended
                continue
        return flows

    def read_cpu_seconds(self) -> float:
        """Read what the serving process has used, and those of its descendants that have ended: the flows."""
        return float(sum(self.serving.cpu_times()[:4]))

    def end_cycle(self, keep: int) -> dict[str, Any]:
        """Prune, and go back to the version before, if there is one; return the seconds that the former took."""
        began = time.monotonic()
        self.run("prune", "--keep", str(keep), "--yes")
        seconds = time.monotonic() - began
        if self.project.run("git", "tag", "--list", "encoder#prod#2"):
            self.run("rollback")
        return {"prune_seconds": seconds}

    def run(self, *arguments: str) -> None:
        """Run a command of the registry."""
        command = [sys.executable, "-m", "pipelines.registry", *arguments]
        done = subprocess.run(command, cwd=self.root, env=self.environment, capture_output=True, text=True, check=False)
        assert not done.returncode, done.stderr + done.stdout

    def measure(self) -> dict[str, Any]:
        """Measure the disk and the long-lived processes; MB are 10^6 bytes on the disk."""
        disk = {
            "cache": self.root / ".dvc/cache",
            "git": self.root / ".git",
            "dvc_tmp": self.root / ".dvc/tmp",
            "scratch": self.root / "scratch",
            "prefect": self.folder / "home/.prefect",
            "home": self.folder / "home",
            "site": self.folder / "site",
            "tmp": self.folder / "tmp",
            "data_remote": self.folder / "store",
            "git_remote": self.folder / "origin.git",
        }
        return {**{f"mb_disk_{name}": measure_disk(path) / MEGABYTE for name, path in disk.items()}, **self.weigh()}

    def weigh(self) -> dict[str, Any]:
        """Measure the serving process, and with it the server and all else that runs between two nights."""
        while True:
            try:
                servers = self.serving.children(recursive=True)
                everyone = [self.serving, *servers]
                return {
                    "mb_rss_serving": self.serving.memory_info().rss / MEGABYTE,
                    "mb_rss_server": sum(process.memory_info().rss for process in servers) / MEGABYTE,
                    "count_processes": len(everyone),
                    "count_threads": sum(process.num_threads() for process in everyone),
                    "count_files": sum(process.num_fds() for process in everyone),
                }
            except psutil.Error:  # one of them has just ended
                continue

    def turn_back_clock(self) -> None:
        """Let everything in Prefect's database have happened a day earlier."""
        with sqlite3.connect(self.folder / "home/.prefect/prefect.db", timeout=60) as database:
            for table, column in SHIFTS.items():
                database.execute(
                    f"UPDATE {table} SET {column} = strftime('%Y-%m-%d %H:%M:%f', {column}, '-1 day') || '000'"
                )
        database.close()


def measure_disk(folder: Path) -> int:
    """Return how many bytes of the disk the files below a folder take."""
    total = 0
    for path, folders, files in os.walk(folder):
        for name in (*folders, *files):
            try:
                total += Path(path, name).lstat().st_blocks * 512
            except FileNotFoundError:  # it has just gone
                continue
    return total


def find_free_port() -> int:
    """Find a port that nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
