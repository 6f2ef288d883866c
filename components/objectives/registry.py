"""Every objective by the name that `pretrain.objective` has for it."""

from collections.abc import Callable

from torch import nn

from components.objectives.article import Article
from components.objectives.byol import Byol
from components.objectives.objective import Objective
from components.params.pretrain import Pretrain

OBJECTIVES: dict[str, Callable[[nn.Module, Pretrain], Objective]] = {  # untrained encoder, parameters -> objective
    "byol": Byol.around,
    "article": Article.around,
}
