"""What is committed agrees: the lock, the record of the recipe, the pages."""

import json
import re
from collections.abc import Iterator
from typing import Any

from components.stage.command import read_params
from tests.conftest import ROOT


def test_every_package_of_the_lock_has_a_hash_and_no_index_is_named() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    pins = re.findall(r"^[a-z0-9][^\n]*==.*?(?=^\S|\Z)", lock, re.MULTILINE | re.DOTALL)
    assert len(pins) > 100
    assert all("--hash=sha256:" in pin for pin in pins)
    assert "://" not in lock
    assert "index-url" not in lock


def list_differences(recorded: Any, now: Any, key: str) -> Iterator[str]:
    """Yield what the record knows otherwise than the parameters now; keys that came since are not compared."""
    if isinstance(recorded, dict) and isinstance(now, dict):
        for name, value in recorded.items():
            yield from list_differences(value, now.get(name), f"{key}.{name}")
    elif recorded != now:
        yield f"{key}: {recorded} is {now} now"


def test_the_record_of_the_recipe_is_of_this_recipe() -> None:
    record = json.loads((ROOT / "benchmarks" / "results" / "recipe.json").read_text())
    params = read_params(ROOT / "params.yaml").model_dump(mode="json")
    recorded = set(record["params"]["evaluate"].pop("probes"))
    assert recorded <= set(params["evaluate"]["probes"]), "a further probe changes no number of the others"
    # It decides only which unlabelled images are left out, and the digits have none.
    del record["params"]["data"]["checks"]["near_duplicate_bits"]
    for section in ("data", "pretrain", "embed", "evaluate"):  # what decides its numbers
        assert not [*list_differences(record["params"][section], params[section], section)], "make bench"


def test_a_key_that_came_after_the_record_asks_for_no_new_one() -> None:
    assert not [*list_differences({"a": {"b": 1}}, {"a": {"b": 1, "new": 2}}, "")]
    assert [*list_differences({"a": {"b": 1}}, {"a": {"b": 2}}, "params")] == ["params.a.b: 1 is 2 now"]
    assert [*list_differences({"a": {"b": 1}}, {"a": {}}, "params")] == ["params.a.b: 1 is None now"]


def test_no_page_is_half_written() -> None:
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "benchmarks/README.md", *ROOT.glob("docs/*.md")):
        assert "@@" not in page.read_text(), page


def test_the_readme_says_what_the_record_says() -> None:
    record = json.loads((ROOT / "benchmarks" / "results" / "recipe.json").read_text())
    readme = (ROOT / "README.md").read_text()
    rows = {
        "logistic regression, 2 labels per class": ("logistic", "accuracy_2_per_class"),
        "logistic regression, 10 labels per class": ("logistic", "accuracy_10_per_class"),
        "logistic regression, all labels": ("logistic", "accuracy"),
        "linear layer by SGD, all labels": ("linear", "accuracy"),
        "k nearest neighbours, all labels": ("knn", "accuracy"),
        "retrieval, mean average precision": ("retrieval", "map"),
    }
    for row, (probe, metric) in rows.items():
        mean, spread = (
            {encoder: 100 * record[part][probe][encoder][metric] for encoder in ("byol", "pixels", "random")}
            for part in ("mean", "spread")
        )
        byol = f"**{mean['byol']:.1f} ± {spread['byol']:.1f}**"
        assert f"| {row} | {byol} | {mean['pixels']:.1f} | {mean['random']:.1f} ± {spread['random']:.1f} |" in readme


def tabulate_faults() -> str:
    """Make the table of docs/reliability.md from the records of `make faults`."""
    records = [json.loads(path.read_text()) for path in sorted((ROOT / "benchmarks/results/faults").glob("*.json"))]
    rows = [
        f"| {record['class']} | {record['kind']} | {record['tried']:,} | {record['survived']:,} |" for record in records
    ]
    return "\n".join(["| class | what is done | tried | survived |", "| --- | --- | ---: | ---: |", *rows])


def test_the_page_on_reliability_shows_the_records() -> None:
    page = (ROOT / "docs" / "reliability.md").read_text()
    shown = page.partition("<!-- records -->")[2].partition("<!-- /records -->")[0].strip()
    assert shown == tabulate_faults(), f"put this between the marks:\n{tabulate_faults()}"


def tabulate_choices() -> str:
    """Make the table of docs/labelling.md from the record of what chosen labels are worth."""
    record = json.loads((ROOT / "benchmarks" / "results" / "select.json").read_text())
    rows = ["| images, labels | strategy | accuracy | gain |", "| --- | --- | ---: | ---: |"]
    for name, measured in record["sets"].items():
        for labels in ("20 labels", "100 labels"):
            for strategy, found in measured[labels].items():
                value, low, high = (100 * found["accuracy"][end] for end in ("value", "low", "high"))
                gain = found.get("gain") and [100 * found["gain"][end] for end in ("value", "low", "high")]
                gained = "{:+.1f} [{:+.1f}, {:+.1f}]".format(*gain) if gain else ""
                rows.append(f"| {name}, {labels} | {strategy} | {value:.1f} [{low:.1f}, {high:.1f}] | {gained} |")
    return "\n".join(rows)


def test_the_page_on_labelling_shows_the_record() -> None:
    page = (ROOT / "docs" / "labelling.md").read_text()
    shown = page.partition("<!-- choosing -->")[2].partition("<!-- /choosing -->")[0].strip()
    assert shown == tabulate_choices(), f"put this between the marks:\n{tabulate_choices()}"


def tabulate_scale() -> str:
    """Make the table of docs/labelling.md from the record of choosing among a million images."""
    record = json.loads((ROOT / "benchmarks" / "results" / "select-scale.json").read_text())
    assert (record["images"], record["features"], record["labelled"], record["budget"]) == (1_000_000, 256, 1000, 100)
    rows = ["| strategy | seconds | peak memory, MB |", "| --- | ---: | ---: |"]
    for strategy, took in record["strategies"].items():
        rows.append(f"| {strategy} | {took['cpu_seconds']:.0f} | {took['peak_mb']:,} |")
    return "\n".join(rows)


def test_the_page_on_labelling_shows_what_a_million_images_take() -> None:
    page = (ROOT / "docs" / "labelling.md").read_text()
    shown = page.partition("<!-- scale -->")[2].partition("<!-- /scale -->")[0].strip()
    assert shown == tabulate_scale(), f"put this between the marks:\n{tabulate_scale()}"


def test_the_strategy_that_is_shipped_beat_random_labels_wherever_it_was_measured() -> None:
    record = json.loads((ROOT / "benchmarks" / "results" / "select.json").read_text())
    params = read_params(ROOT / "params.yaml").select
    assert record["params"] == params.model_dump(mode="json", include=set(record["params"])), "measured as shipped"
    for measured in record["sets"].values():
        for labels in ("20 labels", "100 labels"):
            assert all(measured[labels][strategy]["gain"]["low"] > 0 for strategy in params.strategies)


def test_the_page_of_nights_says_what_the_record_of_a_second_night_says() -> None:
    record = json.loads((ROOT / "benchmarks" / "results" / "second_night.json").read_text())
    page, params = (ROOT / "docs/retrain.md").read_text(), read_params(ROOT / "params.yaml")
    assert record["settings"]["warm"] == params.retrain.warm.model_dump(mode="json"), "measured with the shipped values"
    for name, mean in record["mean"].items():
        assert spell_cells(mean, record["spread"][name], "logistic", "linear", "knn") in page, name


def test_the_page_of_starts_says_what_the_records_say() -> None:
    page = (ROOT / "docs/start.md").read_text()
    for name in ("cifar10", "hymenoptera"):
        record = json.loads((ROOT / f"benchmarks/results/starts-{name}.json").read_text())
        assert sorted(record["runs"]) == ["0", "1", "2"]
        curve = record["curves"]["logistic"]
        measured = [*(f"accuracy_{count}_per_class" for count in (1, 2, 5, 10)), "accuracy"]
        for way in ("start", "continued", "from nothing", "untrained"):
            cells = [show_mean(curve[key]["mean"][way], *curve[key]["interval"][way]) for key in measured]
            assert f" | {' | '.join(cells)} |\n" in page, (name, way)


def show_mean(mean: float, low: float, high: float) -> str:
    """Show a share in percent with half of its interval, where it has one: a start is the same with every seed."""
    half = f"{100 * (high - low) / 2:.1f}"
    return f"{100 * mean:.1f}" + ("" if half == "0.0" else f" ± {half}")


def test_the_page_on_going_on_says_what_the_record_says() -> None:
    page = (ROOT / "docs/continuing.md").read_text()
    record = json.loads((ROOT / "benchmarks/results/continuing-cifar10-known.json").read_text())
    for way, mean in record["mean"].items():
        assert spell_cells(mean, record["spread"][way], "knn", "logistic") in page, way


def spell_cells(mean: dict[str, float], spread: dict[str, float], *keys: str) -> str:
    """Spell the end of a table's row: means in percent with their deviation over the seeds."""
    return f" | {' | '.join(f'{100 * mean[key]:.1f} ± {100 * spread[key]:.1f}' for key in keys)} |\n"
