"""The settings that the article's objective adds to `pretrain`: the weights of its terms."""

from typing import Self

from pydantic import model_validator

from components.learning.params import Training
from components.stage.types import NotNegative, Params


class ArticleWeights(Params):
    """The weight of each term of the loss; a term of weight 0 is not computed."""

    reconstruction: NotNegative
    centre: NotNegative
    contrastive: NotNegative
    adversarial: NotNegative


class ArticleSettings(Training):
    """All settings of a training with the article's objective."""

    article: ArticleWeights

    @model_validator(mode="after")
    def _check_weights(self) -> Self:
        if self.objective == "article" and not any(self.article.model_dump().values()):
            raise ValueError("article: every weight is 0, so there is nothing to learn; say one above 0")
        if self.objective == "article" and self.views.target:
            raise ValueError("views.target: the objective article has no target network; leave it empty")
        return self


OBJECTIVE = ArticleSettings
