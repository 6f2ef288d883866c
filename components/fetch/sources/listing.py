"""What a source holds, file by file: names, sizes and versions, as a snapshot pins them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file of a source."""

    path: str  # relative to its source, as text
    where: str  # where to open it: a path of this machine, or a URL
    size: int
    version: str  # changes with the content: the SHA-256 of a local file, else the server's ETag or the like
    fault: str | None = None  # why the file cannot be read
    hashed: bool = False  # whether the version is the SHA-256

    @property
    def sha256(self) -> str:
        """The SHA-256 of the content, or an empty text if it is unknown."""
        return self.version if self.hashed else ""
