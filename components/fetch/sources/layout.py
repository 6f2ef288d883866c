"""Find label and split of an image from its path in a folder or an archive.

A split's folder may be called by any of the usual names; validation images are never trained on, so they count as test.
"""

from components.fetch.params import Layout
from components.store.store import TEST, TRAIN, UNLABELLED

SPLIT_NAMES = {
    "train": TRAIN,
    "training": TRAIN,
    "test": TEST,
    "testing": TEST,
    "val": TEST,
    "valid": TEST,
    "validation": TEST,
    "dev": TEST,
    "unlabelled": UNLABELLED,
    "unlabeled": UNLABELLED,
}
LabelSplitFault = tuple[str | None, str | None, str | None]  # label, split, fault


def parse_path(path: str, layout: Layout) -> LabelSplitFault:
    """Return label, split and fault of an image, from its path relative to the source."""
    folders = [name for name in path.split("/")[:-1] if name]  # a bucket may have folders without a name
    if layout == "flat":
        return None, None, None
    if layout == "classes":
        return (folders[0], None, None) if folders else (None, None, "stands in no class's folder")
    split = SPLIT_NAMES.get(folders[0].lower()) if folders else None
    if split is None:
        return None, None, "stands in no split's folder: train, test (or val), unlabelled"
    return (folders[1] if len(folders) > 1 and split != UNLABELLED else None), split, None


def count_common_folders(paths: list[str], layout: Layout) -> int:
    """Return how many outer folders carry no label or split: an archive often packs everything into one folder.

    A few files that stand above the images, such as a README, make no difference.
    """
    if layout == "flat":
        return 0
    deep = [path.split("/")[:-1] for path in paths]
    skipped = 0
    while 2 * sum(len(folders) > skipped + 1 for folders in deep) > len(deep):  # a class or split can still be below
        names = {folders[skipped] for folders in deep if len(folders) > skipped}
        if len(names) > 1 or (layout == "splits" and names.pop().lower() in SPLIT_NAMES):
            break
        skipped += 1
    return skipped
