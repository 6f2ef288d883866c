"""What a source holds, file by file: names, sizes and versions, as a snapshot pins them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Listed:
    """One file of a source."""

    path: str  # in its source, as text
    where: str  # for whoever opens it: a path of this machine, or a URL
    size: int
    version: str  # another one when the content is another: its SHA-256 here, the server's ETag elsewhere
    fault: str | None = None  # why it cannot be read
    hashed: bool = False  # whether the version is the SHA-256

    @property
    def sha256(self) -> str:
        """Of the content, or nothing where it is not known."""
        return self.version if self.hashed else ""
