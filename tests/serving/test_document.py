"""Tests the service against its own OpenAPI document, from which schemathesis makes requests, right and wrong."""

from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

SETTINGS = settings(
    max_examples=4, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def document(client: httpx.Client) -> Any:
    return schemathesis.openapi.from_url(f"{client.base_url}/openapi.json")


def test_every_answer_is_one_that_the_document_states_and_none_is_a_failure(document: Any) -> None:
    tried = 0
    for result in document.get_all_operations():

        @given(case=result.ok().as_strategy())
        @SETTINGS
        def ask(case: Any) -> None:
            nonlocal tried
            tried += 1
            case.call_and_validate(checks=CHECKS)

        ask()
    assert tried > 20


def test_the_document_states_every_refusal_and_loads_nothing_from_elsewhere(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    assert {"/embed", "/search", "/classify", "/images/{id}", "/map", "/health", "/version", "/metrics"} <= set(
        document["paths"]
    )
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            wanted = {"400", "401", "403", "429", "503"} | ({"413", "415"} if method == "post" else set())
            assert wanted <= set(operation["responses"]), path
    assert "HTTPValidationError" not in document["components"]["schemas"], "a mistake is one line, as all refusals are"
