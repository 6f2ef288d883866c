"""Tells photos that are left out on purpose from damage: beside a RAW or HEIC file often lies the same photo as JPEG.

Cameras and phones write both on demand. A file is beside another if both lie in one folder and have one name but for
the suffix.
"""

from dataclasses import replace

from components.fetch.checks.facts import Facts, RejectedFile
from components.fetch.checks.named import PHOTOS

BESIDE = "left out, as a picture of the same name beside it is stored: "


def excuse_photos(facts: Facts) -> None:
    """Mark the rejected photos whose picture is stored from the file beside them as files that need not be images."""
    photos = [number for number, file in enumerate(facts.rejected) if file.image and file.reason in PHOTOS]
    wanted = {name for number in photos for name in list_names(facts.rejected[number])}
    stored = wanted.intersection(get_stem(stored_id) for stored_id in facts.ids) if wanted else set()
    for number in photos:
        file = facts.rejected[number]
        if stored.intersection(list_names(file)):
            facts.rejected[number] = replace(file, reason=f"{BESIDE}{file.reason.partition(':')[0]}", image=False)


def list_names(file: RejectedFile) -> tuple[str, str]:
    """Return what the name of the picture beside it begins with: IMG_1 for IMG_1.jpg, IMG_1.CR2 for IMG_1.CR2.jpg."""
    whole = f"{file.source}/{file.path}"
    return get_stem(whole), whole.lower()


def get_stem(name: str) -> str:
    """Return an id without its suffix; cameras and computers spell names in capitals or not."""
    folder, slash, file = name.rpartition("/")
    return f"{folder}{slash}{file.rpartition('.')[0] or file}".lower()
