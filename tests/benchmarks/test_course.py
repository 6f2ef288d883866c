"""The accuracy run judges its course by images that it does not train on."""

from benchmarks.course import hold_out_queries
from tests.small import make_settings


def test_no_query_is_trained_on_and_no_image_is_lost() -> None:
    params = make_settings(watch__knn_queries=30)
    trained, queries = (rows.tolist() for rows in hold_out_queries(params, 100))
    assert len(queries) == 30
    assert sorted(trained + queries) == list(range(100))
    assert hold_out_queries(params, 100)[1].tolist() == queries, "the same for the same seed"
    assert hold_out_queries(params.model_copy(update={"seed": 1}), 100)[1].tolist() != queries


def test_few_images_are_shared_out_evenly() -> None:
    trained, queries = hold_out_queries(make_settings(watch__knn_queries=30), 10)
    assert (len(trained), len(queries)) == (5, 5)
