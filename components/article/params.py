"""What the article's objective adds to `pretrain`: how much each of its terms weighs."""

from typing import Self

from pydantic import model_validator

from components.learning.params import Training
from components.stage.types import NotNegative, Params


class ArticleWeights(Params):
    """The weight of each part; a part of weight 0 is not computed."""

    reconstruction: NotNegative
    centre: NotNegative
    contrastive: NotNegative
    adversarial: NotNegative


class ArticleSettings(Training):
    """Everything that the article's objective is told."""

    article: ArticleWeights

    @model_validator(mode="after")
    def _there_is_something_to_learn(self) -> Self:
        if self.objective == "article" and not any(self.article.model_dump().values()):
            raise ValueError("article: every weight is 0, so there is nothing to learn; say one above 0")
        return self


OBJECTIVE = ArticleSettings
