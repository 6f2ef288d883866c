"""What an encoder was made from, as hashes that stand in its config.json and that anyone can check by hand."""

import hashlib
from pathlib import Path

LOCK = Path("requirements.lock")  # beside params.yaml, in the folder where a stage is started


def hash_file(path: Path) -> str:
    """Return the SHA-256 of the file's bytes, as `sha256sum` prints it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_shards(shards: list[Path]) -> str:
    """Return what `sha256sum *.parquet | sha256sum` prints in the store's folder."""
    lines = [f"{hash_file(shard)}  {shard.name}\n" for shard in shards]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def hash_lock() -> str | None:
    """Return the SHA-256 of requirements.lock, or None if the stage runs without one."""
    return hash_file(LOCK) if LOCK.is_file() else None
