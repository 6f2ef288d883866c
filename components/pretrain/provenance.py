"""What an encoder was made from, as hashes that stand in its config.json and that anyone can check by hand."""

import hashlib
from pathlib import Path

LOCK = Path("requirements.lock")  # beside params.yaml, where a stage is started


def sha256_of(path: Path) -> str:
    """Of the file's bytes, as `sha256sum` prints it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_shards(shards: list[Path]) -> str:
    """Of all of them and their order: what `sha256sum *.parquet | sha256sum` prints in the store's folder."""
    lines = [f"{sha256_of(shard)}  {shard.name}\n" for shard in shards]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def sha256_of_lock() -> str | None:
    """Of requirements.lock, or None where the stage runs without one."""
    return sha256_of(LOCK) if LOCK.is_file() else None
