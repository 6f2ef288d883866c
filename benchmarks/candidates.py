"""Candidates for the recipe of CIFAR-10: what each changes in the preset's section `pretrain`.

Each is trained for the work of 100 epochs of BYOL with two views, so that candidates with other views are compared at
the same cost. Weak views, Adam and a constant rate that falls at the very end are what the quickest published curves
share (github: htdt/self-supervised); a weak target view and more online views are FastSiam's (Pototzky et al., 2022).
"""

from typing import Any

from components.learning.params import Views
from components.pretrain.params import Pretrain
from components.stage.command import PARAMS_FILE, check_params
from presets.apply import apply_presets, merge, to_plain

EPOCHS = 100  # of BYOL with two views, whose work each candidate may do
LATE = {"name": "late_cosine", "hold": 0.6}
HEAD = {"hidden": 1024, "out": 64}
WEAK_VIEWS = {
    "first": {"crop_area": [0.2, 1.0], "saturation": 0.4, "grayscale": 0.1},  # the rest is the preset's
    "second": {},
}
WEAK_TARGET = {"count": 1, "jitter": 0.0, "grayscale": 0.0, "solarise": 0.0}
ADAM = {
    "name": "adam",
    "learning_rate": 0.0015,  # 0.003 for a batch of 512
    "beta1": 0.9,
    "beta2": 0.999,
    "weight_decay": 1e-6,
    "warmup_epochs": 5.15,  # about 500 steps
    "decay": LATE,
}
SHARED = {"head": HEAD, "tau_base": 0.99, "tau_hold": 0.6}
CANDIDATES: dict[str, dict[str, Any]] = {  # the most promising first
    "adam-weak-views": {**SHARED, "optimiser": ADAM, "views": WEAK_VIEWS},
    "sgd-weak-views": {**SHARED, "optimiser": {"warmup_epochs": 2.0, "decay": LATE}, "views": WEAK_VIEWS},
    "adam-weak-target": {**SHARED, "optimiser": ADAM, "views": {**WEAK_VIEWS, "target": WEAK_TARGET}},
    "adam-four-views": {
        **SHARED,
        "optimiser": ADAM,
        "views": {**WEAK_VIEWS, "online": 4, "target": {**WEAK_TARGET, "count": 2}},
    },
    "adamw-weak-target": {
        **SHARED,
        "optimiser": {**ADAM, "name": "adamw", "weight_decay": 0.05},
        "views": {**WEAK_VIEWS, "target": WEAK_TARGET},
    },
    "preset": {},
}


def read_candidate(name: str) -> Pretrain:
    """Return the settings of a candidate, its epochs included."""
    whole = to_plain(apply_presets(PARAMS_FILE, ["cifar10"]))
    merge(whole["pretrain"], CANDIDATES[name])
    params: Pretrain = check_params(whole, PARAMS_FILE).pretrain
    return params.model_copy(update={"epochs": compute_epochs(params.views)})


def compute_epochs(views: Views) -> int:
    """Compute the epochs whose work is that of EPOCHS epochs with two views, which take 8 units per image."""
    return round(EPOCHS * 8 / count_units(views))


def count_units(views: Views) -> int:
    """Count the forward passes that an image's work is worth: a view of the online network takes 3, its gradient 2."""
    online = len(views.list_online())
    return 3 * online + (len(views.list_target()) or online)
