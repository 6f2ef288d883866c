"""Published data sets of a few images, made up in the layouts that torchvision reads.

Each layout is a function that writes a data set to the root and returns the images to find. N images of H by W pixels.
https://docs.pytorch.org/vision/stable/datasets.html
"""

import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.io import savemat

from components.store.store import TEST, TRAIN, UNLABELLED

Expected = list[tuple[str | None, str | None, str, Any]]  # split, label, path, and pixels or file; in order
RANDOM = np.random.default_rng(0)


def make_noise(*shape: int) -> np.ndarray:
    return RANDOM.integers(0, 256, shape, dtype=np.uint8)


def write_file(path: Path, content: bytes | str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def expect_arrays(split: str, labels: list[Any], images: np.ndarray) -> Expected:
    """Return the images that are expected of arrays, which are numbered within their split."""
    return [(split, label, f"{split}/{at:05d}.png", images[at]) for at, label in enumerate(labels)]


def write_files(split: str | None, folder: Path, label: str, *names: str) -> Expected:
    """Write a photograph under each name, and return the images that are expected; their paths begin with the split."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(make_noise(8, 8, 3)).save(folder / name, format="JPEG")
    return [(split, label, f"{split}/{name}" if split else name, folder / name) for name in names]


def cifar(folder: Path, meta: str, fine: str, batches: dict[str, list[str]]) -> Expected:
    write_file(folder / meta, pickle.dumps({f"{fine}label_names": ["apple", "baby", "cat"]}))
    expected: Expected = []
    for split, names in batches.items():
        images = make_noise(2 * len(names), 32, 32, 3)
        for at, name in enumerate(names):
            planes = images[2 * at : 2 * at + 2].transpose(0, 3, 1, 2).reshape(2, -1)  # (N, 3 H W)
            write_file(folder / name, pickle.dumps({"data": planes, f"{fine}labels": [2, 0]}))
        expected += expect_arrays(split, ["cat", "apple"] * len(names), images)
    return expected


def cifar10(root: Path) -> Expected:
    batches = {TRAIN: [f"data_batch_{number}" for number in range(1, 6)], TEST: ["test_batch"]}
    return cifar(root / "cifar-10-batches-py", "batches.meta", "", batches)


def cifar100(root: Path) -> Expected:
    return cifar(root / "cifar-100-python", "meta", "fine_", {TRAIN: ["train"], TEST: ["test"]})


def mnist(root: Path, folder: str = "MNIST", two: str = "2 - two", nine: str = "9 - nine") -> Expected:
    """Write LeCun's format: a magic number that names the type and the number of axes, their lengths, the values."""
    expected: Expected = []
    for split, name in ((TRAIN, "train"), (TEST, "t10k")):
        images = make_noise(3, 28, 28)
        head = struct.pack(">HBB3I", 0, 8, 3, *images.shape)
        write_file(root / folder / "raw" / f"{name}-images-idx3-ubyte", head + images.tobytes())
        write_file(root / folder / "raw" / f"{name}-labels-idx1-ubyte", struct.pack(">HBBI3B", 0, 8, 1, 3, 9, 2, 9))
        expected += expect_arrays(split, [nine, two, nine], images)
    return expected


def fashion_mnist(root: Path) -> Expected:
    return mnist(root, "FashionMNIST", "Pullover", "Ankle boot")


def stl10(root: Path) -> Expected:
    write_file(root / "stl10_binary/class_names.txt", "airplane\nbird\n")
    expected: Expected = []
    for split, name in ((TRAIN, "train"), (TEST, "test"), (UNLABELLED, "unlabeled")):
        images = make_noise(2, 96, 96, 3)
        write_file(root / f"stl10_binary/{name}_X.bin", images.transpose(0, 3, 2, 1).tobytes())  # (N, 3, W, H)
        if split != UNLABELLED:
            write_file(root / f"stl10_binary/{name}_y.bin", bytes([2, 1]))
        expected += expect_arrays(split, [None, None] if split == UNLABELLED else ["bird", "airplane"], images)
    return expected


def imagenette(root: Path) -> Expected:
    expected: Expected = []
    for split, part in ((TRAIN, "train"), (TEST, "val")):
        folder = root / "imagenette2-160" / part
        expected += write_files(split, folder, "tench", "n01440764/a_1.JPEG", "n01440764/b_1.JPEG")
        expected += write_files(split, folder, "cassette player", "n02979186/a_2.JPEG")
    return expected


def flowers102(root: Path) -> Expected:
    folder = root / "flowers-102"
    expected = write_files(TRAIN, folder / "jpg", "blackberry lily", "image_00006.jpg", "image_00003.jpg")
    expected += write_files(TRAIN, folder / "jpg", "pink primrose", "image_00001.jpg", "image_00004.jpg")
    expected += write_files(TEST, folder / "jpg", "sweet pea", "image_00005.jpg", "image_00002.jpg")
    savemat(folder / "imagelabels.mat", {"labels": [1, 4, 102, 1, 4, 102]})  # of images 1 to 6
    savemat(folder / "setid.mat", {"trnid": [6, 3], "valid": [1, 4], "tstid": [5, 2]})
    return expected


def oxford_pets(root: Path) -> Expected:
    folder, cat, dog = root / "oxford-iiit-pet", "Abyssinian", "american_bulldog"
    write_file(folder / "annotations/trainval.txt", f"{cat}_100 1 1 1\n{dog}_1 2 2 1\n")
    write_file(folder / "annotations/test.txt", f"{cat}_2 1 1 1\n{dog}_9 2 2 1\n")
    expected: Expected = []
    for split, names in ((TRAIN, (f"{cat}_100.jpg", f"{dog}_1.jpg")), (TEST, (f"{cat}_2.jpg", f"{dog}_9.jpg"))):
        expected += write_files(split, folder / "images", "Abyssinian", names[0])
        expected += write_files(split, folder / "images", "American Bulldog", names[1])
    return expected


def eurosat(root: Path) -> Expected:
    folder = root / "eurosat/2750"
    return write_files(None, folder, "Forest", "Forest/1.jpg", "Forest/2.jpg") + write_files(
        None, folder, "River", "River/1.jpg"
    )


def lfw_people(root: Path) -> Expected:
    folder, ada, alan = root / "lfw-py", "Ada_Lovelace", "Alan_Turing"
    write_file(folder / "lfw-funneled.tgz", "as published")
    write_file(folder / "lfw-names.txt", f"{ada}\t2\n{alan}\t1\n")
    write_file(folder / "peopleDevTrain.txt", f"1\n{ada}\t2\n")
    write_file(folder / "peopleDevTest.txt", f"1\n{alan}\t1\n")
    expected = write_files(TRAIN, folder / "lfw_funneled", ada, f"{ada}/{ada}_0001.jpg", f"{ada}/{ada}_0002.jpg")
    return expected + write_files(TEST, folder / "lfw_funneled", alan, f"{alan}/{alan}_0001.jpg")


LAYOUTS = {  # the folder of each layout
    cifar10: "cifar-10-batches-py",
    cifar100: "cifar-100-python",
    mnist: "MNIST",
    fashion_mnist: "FashionMNIST",
    stl10: "stl10_binary",
    imagenette: "imagenette2-160",
    flowers102: "flowers-102",
    oxford_pets: "oxford-iiit-pet",
    eurosat: "eurosat",
    lfw_people: "lfw-py",
}
