"""What `python -m serving.predict` prints, in each of its forms, and what becomes of files that are no images."""

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from components.classifier.files import CLASSES, ONNX
from components.encoder.normalise import normalise
from components.encoder.params import Images
from serving import predict
from serving.pixels import normalise_squares
from tests.conftest import ROOT
from tests.fetch.hostile import write_files
from tests.small import encode_png

NAMES = ["cat", 'a "b", owl', "evil \x1b[31m"]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a classifier written by hand, whose classes are the brightness of three columns."""
    folder = tmp_path_factory.mktemp("classifier")
    write_network(folder / ONNX)
    return folder


def write_network(path: Path, **more: str) -> None:
    helper = onnx.helper
    centres = np.zeros((64, 3), np.float32)
    for place in range(3):
        centres[place::8, place] = 0.5
    nodes = [helper.make_node("Flatten", ["images"], ["flat"]), helper.make_node("MatMul", ["flat", "w"], ["logits"])]
    nodes.append(helper.make_node("Softmax", ["logits"], ["probabilities"], axis=-1))
    shapes = {"images": ["batch", 1, 8, 8], "probabilities": ["batch", 3]}
    ends = [[helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shapes[name])] for name in shapes]
    graph = helper.make_graph(nodes, "network", *ends, [onnx.numpy_helper.from_array(centres, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    said = {CLASSES: json.dumps(NAMES), "side": "8", "mean": "[0.4]", "std": "[0.25]"}
    helper.set_model_props(model, said | more)
    path.parent.mkdir(exist_ok=True)
    onnx.save(model, path)


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command as typed in the repository; it returns exit status, standard output and standard error."""
    monkeypatch.chdir(ROOT)

    def type_command(*arguments: str | Path, classifier: Path = folder) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["predict", "--classifier", str(classifier), *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            predict.main()
        said = capsys.readouterr()
        return int(str(ended.value.code)), said.out, said.err

    return type_command


def write_image(path: Path, column: int) -> Path:
    pixels = np.zeros((8, 8))
    pixels[:, column] = 250
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(pixels))
    return path


def test_each_image_has_a_line_with_its_classes_the_most_probable_first(run: Run, tmp_path: Path) -> None:
    first, second = write_image(tmp_path / "b.png", 1), write_image(tmp_path / "a.png", 0)
    status, out, err = run(first, second, "--top", "2")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith(f'{first}  a "b", owl')
    assert lines[1].startswith(f"{second}  cat")
    assert [line.count(" %") for line in lines] == [2, 2]


def test_json_and_csv_have_every_class_as_it_is_called(run: Run, tmp_path: Path) -> None:
    files = [write_image(tmp_path / f"{place}.png", place) for place in range(3)]
    listed = json.loads(run("--json", *files)[1])
    assert [entry["image"] for entry in listed] == [str(file) for file in files]
    assert [entry["classes"][0]["name"] for entry in listed] == NAMES
    for entry in listed:
        shares = [found["probability"] for found in entry["classes"]]
        assert shares == sorted(shares, reverse=True)
        assert sum(shares) == pytest.approx(1, abs=1e-4)
    header, *rows = csv.reader(io.StringIO(run("--csv", *files)[1]))
    assert header == ["image", "rank", "class", "probability"]
    assert [row[:2] for row in rows] == [[str(file), str(rank)] for file in files for rank in (1, 2, 3)]
    assert float(rows[0][3]) == listed[0]["classes"][0]["probability"]
    assert rows[3][2] == NAMES[1]


@pytest.mark.parametrize("form", [[], ["--json"], ["--csv"]], ids=["table", "json", "csv"])
def test_no_name_harms_a_terminal(run: Run, tmp_path: Path, form: list[str]) -> None:
    image = write_image(tmp_path / "\x1b[2Ja.png", 2)
    out = run(image, *form)[1]
    assert "evil" in out
    assert "\x1b" not in out


def test_what_cannot_be_read_has_a_line_each_and_the_others_are_answered(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predict, "BATCH", 2)
    good = [write_image(tmp_path / f"{place}.png", place) for place in range(3)]
    bad = {
        tmp_path / "nothing.png": "No such file or directory",
        write_image(tmp_path / "cut.png", 0): "broken: ",
        write_image(tmp_path / "text.png", 0): "no image of a format that is read",
        tmp_path / "empty": "no image in this folder",
        Path("/dev/null"): "a pipe, a device or a dead link",
        tmp_path / ("x" * 300): "File name too long",
    }
    (tmp_path / "cut.png").write_bytes(good[0].read_bytes()[:45])
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "empty").mkdir()
    status, out, err = run("--json", good[0], *bad, *good[1:])
    assert status == 2
    assert [entry["image"] for entry in json.loads(out)] == [str(file) for file in good]
    lines = err.splitlines()
    assert len(lines) == len(bad)
    for line, (path, reason) in zip(lines, bad.items(), strict=True):
        assert line.startswith(f"{path}: ")
        assert reason in line
    assert run("--json", tmp_path / "nothing.png")[:2] == (2, "[\n]\n"), "nothing is a list as well"


@pytest.mark.filterwarnings("error")
def test_hostile_files_end_no_run(run: Run, tmp_path: Path) -> None:
    """Two hundred of them beside a good one; the names of those that cannot be read are one line each."""
    write_files(tmp_path)
    write_image(tmp_path / "zz-good.png", 1)
    status, out, err = run("--json", tmp_path)
    answered = {Path(entry["image"]).name: entry["classes"][0]["name"] for entry in json.loads(out)}
    assert status == 2
    assert answered["zz-good.png"] == NAMES[1]
    assert len(err.splitlines()) > 100
    assert all(line.startswith(f"{tmp_path}/") for line in err.splitlines())
    assert "Traceback" not in err


def test_a_folder_stands_for_its_images_at_any_depth(run: Run, tmp_path: Path) -> None:
    for name in ("b/deep/1.png", "a.PNG", "b/.hidden.png", "b/note.txt"):
        write_image(tmp_path / name, 0)
    out = run("--csv", "--top", "1", tmp_path)[1]
    assert [row.split(",")[0] for row in out.splitlines()[1:]] == [f"{tmp_path}/a.PNG", f"{tmp_path}/b/deep/1.png"]


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (lambda path: None, "cannot be read: No such file or directory; `dvc repro classifier` writes it, if"),
        (lambda path: path.write_bytes(b"no graph"), "damaged, or no ONNX file: "),
        (lambda path: write_network(path, classes="7"), "its metadata are not those of a classifier"),
        (lambda path: write_network(path, mean="[]"), "its metadata are not those of a classifier"),
    ],
    ids=["missing", "damaged", "classes", "mean"],
)
def test_what_is_no_classifier_is_named_in_a_line(
    run: Run, tmp_path: Path, write: Callable[[Path], object], reason: str
) -> None:
    write(tmp_path / ONNX)
    status, out, err = run(tmp_path / "a.png", classifier=tmp_path)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"{tmp_path / ONNX}: {reason}")


def test_where_there_was_nothing_to_learn_it_says_so(run: Run, tmp_path: Path) -> None:
    (tmp_path / "skipped.txt").write_text("needs labels\n")
    assert run("a.png", classifier=tmp_path)[2] == f"{tmp_path}: no classifier here: needs labels\n"


@pytest.mark.parametrize("span", [None, (100, 4196)])
def test_the_input_is_that_of_the_encoder_without_torch(span: tuple[int, int] | None) -> None:
    shape = Images(side=8, read_side=8, range=span, colours=None, mean=(0.4, 0.5), std=(0.25, 0.1))
    drawn = np.random.default_rng(0)
    kind, highest = (np.uint8, 256) if span is None else (np.uint16, 65536)
    squares = drawn.integers(0, highest, (5, 2, 8, 8)).astype(kind)
    expected = normalise(torch.from_numpy(squares), shape).numpy()
    np.testing.assert_allclose(normalise_squares(squares, shape), expected, rtol=1e-5, atol=1e-5)


def test_an_answer_comes_without_torch_and_by_the_path_of_dvc_yaml(folder: Path, tmp_path: Path) -> None:
    """Importing torch would take longer than all else."""
    image = write_image(tmp_path / "a.png", 0)
    (tmp_path / "models").mkdir()
    (tmp_path / "models/classifier").symlink_to(folder)
    for name in ("dvc.yaml", "params.yaml"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    code = "import runpy, sys\ntry: runpy.run_module('serving.predict', run_name='__main__')\n"
    code += "except SystemExit: print('torch' in sys.modules, file=sys.stderr)"
    environment = {"PYTHONPATH": str(ROOT), "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", code, str(image)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == "False\n"
    assert done.stdout.startswith(f"{image}  cat")
