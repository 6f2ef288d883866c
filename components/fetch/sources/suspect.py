"""Suspect a layout that does not fit: a source named one folder too high or too low, whose classes are none.

A folder called `images` that holds everything would be the only class, and nothing could be learned from it. What
cannot be meant is refused, with the url or the layout that would be right; what may be meant is only said.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable

from components.fetch.kinds import SUFFIXES
from components.fetch.params import Archive, Folder, Layout
from components.fetch.sources.layout import SPLIT_NAMES
from components.stage.errors import InputError

# What folders that hold everything are called, without digits and signs at the end: images, images_2.
CONTAINERS = frozenset((
    "images", "image", "imgs", "img", "pictures", "picture", "pics", "photos", "photo", "jpegimages",
    "jpegs", "jpeg", "jpgs", "jpg", "pngs", "png",
    "data", "dataset", "datasets", "files", "raw", "inputs", "input", "all",
    "labels", "label", "annotations", "annotation", "masks", "mask", "groundtruth",
))  # fmt: skip
ABOUT_IMAGES = ("label", "annotation", "mask", "groundtruth")  # how the names of those begin that hold no photographs
PREDICTED = frozenset(("pred", "predict", "prediction", "infer", "inference"))
SHOWN = 5  # names that a line shows
Folders = set[tuple[str, ...]]  # the outermost folders above an image: at most three of them
Tree = dict[str, set[str]]  # folder -> the folders in it; an empty name stands for images that lie directly in it


def check_layout(paths: Iterable[str], source: Folder | Archive) -> None:
    """Print what is odd in a source's layout. Raises InputError for what cannot be meant."""
    folders: Folders = {
        tuple(path.split("/")[:-1][:3]) for path in paths if f".{path.rpartition('.')[2].lower()}" in SUFFIXES
    }

    def go_to(inner: str) -> str:
        if source.kind == "folder":
            return f"name {source.url.rstrip('/')}/{inner} as url"
        return f"pack what is in '{inner}' alone, or unpack all and name that folder"

    name = source.url.rstrip("/").rpartition("/")[2]
    misfit = find_misfit(folders, source.layout, name, go_to) if folders else None
    if misfit:
        raise InputError(f"params.yaml: data.sources: {source.name}: layout: {misfit}")
    oddity = find_oddity(_plant(folders)) if source.layout == "classes" else None
    if source.layout == "splits":
        oddity = _find_container(name for name in _plant(_find_in_splits(folders)) if name.lower() == _strip(name))
    if oddity:
        print(f"warning: params.yaml: data.sources: {source.name}: {oddity}", flush=True)


def find_misfit(folders: Folders, layout: Layout, name: str, go_to: Callable[[str], str]) -> str | None:
    """Return in a line why the layout of the folder of this name cannot be meant, and what is right; None if it can."""
    if layout == "flat":
        return None
    if layout == "classes":
        return _find_no_classes(folders, name, go_to)
    inner = _find_in_splits(folders)
    return _find_no_classes_in_splits(_plant(inner)) if inner else _find_no_splits(_plant(folders), go_to)


def find_oddity(tree: Tree) -> str | None:
    """Return in a line what is unusual in a layout of classes, though it may be meant; or None."""
    tops = sorted(top for top in tree if top)
    inside = tree[tops[0]] - {""} if len(tops) == 1 else set()
    if len(inside) > 1:
        return f"all images are of one class, '{tops[0]}', and its folders {_show(inside)} count for nothing"
    everywhere = set.intersection(*(tree[top] for top in tops)) - {""} if len(tops) > 1 else set()
    if len(everywhere) > 1:  # as in fold1/ant, or ant/train
        return f"its classes {_show(tops)} all have the folders {_show(everywhere)}, which count for nothing"
    return _find_container(tops)


def _find_container(classes: Iterable[str]) -> str | None:
    found = min((name for name in classes if _strip(name) in CONTAINERS), default=None)
    return f"a class is called '{found}'" if found else None


def _find_no_classes(folders: Folders, name: str, go_to: Callable[[str], str]) -> str | None:
    tree = _plant(folders)
    tops = sorted((top for top in tree if top), key=lambda top: (_find_split(top) != "train", top))
    inside = set().union(*(tree[top] for top in tops)) - {""}
    if not tops:
        return "its images lie in no class's folder; say flat, or name the folder above it as url"
    deep = {parts[0] for parts in folders if len(parts) > 2}  # cat/cat/1.jpg may be how a class was unpacked
    nested = next((top for top in tops if top in deep and tree[top] == {top}), None)
    if nested:
        return f"all of '{nested}' lies in another '{nested}'; {go_to(f'{nested}/{nested}')}"
    if _are_containers(tops) or (tops == [name] and inside):
        is_split = bool(inside) and {folder.lower() for folder in inside} <= SPLIT_NAMES.keys()
        chosen = min(tops, key=lambda top: top.lower().startswith(ABOUT_IMAGES))
        right = f"{go_to(chosen)}{' and say splits' if is_split else '' if inside else ' and say flat'}"
        return f"its classes would be {_show(tops)}; {right if inside or len(tops) > 1 else 'say flat'}"
    if _are_splits(tops):
        named = {top.lower() for top in tops} <= SPLIT_NAMES.keys()
        right = "say splits" if named else "call them train and test (or val) and say splits"
        right += "" if inside else ", or flat if there are no classes"
        return f"its classes would be {_show(tops)}, which look like splits; {right}"
    return None


def _find_no_classes_in_splits(tree: Tree) -> str | None:
    tops = [top for top in tree if top]
    if tops and (_are_containers(tops) or _are_splits(tops)):
        return f"its classes would be {_show(tops)}, in the folders of the splits; move what is in them one folder up"
    return None


def _find_no_splits(tree: Tree, go_to: Callable[[str], str]) -> str | None:
    above = sorted(top for top in tree if top and {name.lower() for name in tree[top]} & SPLIT_NAMES.keys())
    if above:
        return f"its splits lie in '{above[0]}'; {go_to(above[0])}"
    splits = [top for top in tree if top and _find_split(top)]
    if splits:
        return f"no folder in it is called train, test or val; call {_show(splits)} so"
    return "no folder in it is called train, test, val or unlabelled; say classes, or flat if it has no classes"


def _find_in_splits(folders: Folders) -> Folders:
    return {parts[1:] for parts in folders if parts and parts[0].lower() in SPLIT_NAMES}


def _plant(folders: Folders) -> Tree:
    tree: Tree = defaultdict(set)
    for outer, *inner in (parts or ("",) for parts in folders):
        tree[outer].add(inner[0] if inner else "")
    return tree


def _strip(name: str) -> str:
    """Return a name without digits and signs at its end."""
    return re.sub(r"[\W\d_]+$", "", name.lower())


def _are_containers(names: list[str]) -> bool:
    """Whether folders are called as those that hold everything; label_0 and label_1 may be classes."""
    stems = {_strip(name) for name in names}
    return stems <= CONTAINERS and len(stems) == len(names)


def _are_splits(names: list[str]) -> bool:
    """Whether folders are called as several splits or exactly as one; steam_train and freight_train may be classes."""
    splits = {_find_split(name) for name in names}
    return None not in splits and (len(splits) > 1 or {_strip(name) for name in names} <= SPLIT_NAMES.keys())


def _find_split(name: str) -> str | None:
    """Return the split that a folder's name speaks of, as train2017, seg_test and val_images do, or None."""
    words = [word for word in re.split(r"[\W\d_]+", name.lower()) if word]
    found = next((word for word in words if word in SPLIT_NAMES or word in PREDICTED), None)
    rest = [word for word in words if word != found and word not in CONTAINERS]
    return SPLIT_NAMES.get(found, found) if found and len(rest) <= 1 else None


def _show(names: Iterable[str]) -> str:
    names = sorted(names)
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
