"""A method that a path does not have is 405, with the path's methods in `Allow`."""

import httpx
import pytest

_ID = "5a1c4f1e-7d0d-4f36-9a43-0d5be4b3b1c2"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("OPTIONS", "/api/v1/tasks/", "GET, POST"),
        ("POST", f"/api/v1/tasks/{_ID}", "DELETE, GET, PUT"),
        ("PUT", "/api/v1/tasks/generation", "GET"),
        ("DELETE", "/api/v1/tasks/generation", "GET"),
        ("DELETE", f"/api/v1/tasks/generation/{_ID}", "GET, PUT"),
        ("PUT", f"/api/v1/workflows/{_ID}", "DELETE, GET, PATCH"),
        ("PATCH", "/api/v1/storage/images/uploads/a.png", "DELETE, GET, HEAD, POST"),
        ("DELETE", "/api/v1/monitoring/workflows/stats", "GET"),
        ("POST", f"/api/v1/tasks/{_ID}/events", "GET"),
        ("DELETE", f"/api/v1/workflows/{_ID}/events", "GET"),
        ("POST", "/health", "GET"),
    ],
)
async def test_method_that_a_path_does_not_have_is_refused(
    api: httpx.AsyncClient, method: str, path: str, allowed: str
) -> None:
    answer = await api.request(method, path)

    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    assert answer.headers["content-type"] == "application/problem+json"
    assert allowed in answer.json()["detail"]


async def test_stranger_is_not_told_which_methods_there_are(api: httpx.AsyncClient) -> None:
    answer = await api.put("/api/v1/tasks/generation", headers={"Authorization": ""})
    assert answer.status_code == 401
    assert "allow" not in answer.headers
