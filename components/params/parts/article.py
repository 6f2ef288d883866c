"""`pretrain.article`: what the article's objective adds up. Only `pretrain.objective: article` reads it."""

from components.params.base import NotNegative, Params


class ArticleWeights(Params):
    """The weight of each part; a part of weight 0 is not computed."""

    reconstruction: NotNegative
    centre: NotNegative
    contrastive: NotNegative
    adversarial: NotNegative
