"""The files of the page: whole, of their types, nothing from elsewhere, and nothing else of the disk."""

import re

import httpx
import pytest

from serving.routes.page import FILES, PAGE


def test_the_page_and_its_files_come_with_their_types_and_only_once(client: httpx.Client) -> None:
    page = client.get("/")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    linked = re.findall(r'(?:href|src)="(/page/[^"]+)"', page.text)
    assert len(linked) == 3
    modules = {f"/page/{name.decode()}" for text, _ in FILES.values() for name in re.findall(rb'from "./(.+)"', text)}
    types = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
    for address in {*linked, *modules}:
        answer = client.get(address)
        assert answer.status_code == 200, address
        assert answer.headers["Content-Type"] == f"{types[address.rpartition('.')[2]]}; charset=utf-8"
        again = client.get(address, headers={"If-None-Match": answer.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
    assert {f"/page/{path.name}" for path in PAGE.iterdir()} == {*linked, *modules, "/page/index.html"}


@pytest.mark.parametrize(
    "name", ["..%2Fapp.py", "%2e%2e/app.py", "..%2F..%2Fparams.yaml", "none.js", "%00", "index.html%2F"]
)
def test_nothing_else_is_sent(name: str, client: httpx.Client) -> None:
    answer = client.get(f"/page/{name}")
    assert (answer.status_code, set(answer.json())) == (404, {"detail"})


def test_nothing_is_loaded_from_elsewhere_and_no_text_becomes_html() -> None:
    """The policy of the service forbids it as well; here it is the code that does not try."""
    markup = r"innerHTML|insertAdjacentHTML|document\.write|eval\(|<script(?! type)|style=\"| on[a-z]+=\""
    for name, (content, _) in FILES.items():
        text = content.decode().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|//[a-z]+\.[a-z]", text), name
        assert not re.search(markup, text), name
