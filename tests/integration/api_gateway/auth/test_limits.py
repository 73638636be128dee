"""Rate limits over real requests: by credential, and by address for failed authentications."""

from api_gateway.auth.settings import AuthSettings
from tests.fixtures.credentials import client_with, make_key
from tests.fixtures.gateway import TENANT_KEY, Gateway
from tests.fixtures.tokens import settings, token
from tests.integration.api_gateway.test_tasks import GENERATION

PATH = "/api/v1/workflows/"


async def test_key_over_its_own_limit_is_429_until_it_may_again(gateway: Gateway) -> None:
    key = await make_key(gateway, requests_per_minute=3)
    async with client_with(gateway, AuthSettings(), key) as client:
        taken = [await client.get(PATH) for _ in range(3)]
        before = await gateway.row_counts()
        refused = await client.post("/api/v1/tasks/", json=GENERATION)
    assert [answer.status_code for answer in taken] == [200] * 3
    assert [answer.headers["ratelimit"].split(";")[1] for answer in taken] == ["r=2", "r=1", "r=0"]
    assert taken[0].headers["ratelimit-policy"] == '"default";q=3;w=60'
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert 1 <= int(refused.headers["retry-after"]) <= 20
    assert refused.headers["ratelimit"].startswith('"default";r=0;t=')
    assert await gateway.row_counts() == before


async def test_gateways_limit_holds_for_keys_and_tokens_without_their_own(
    gateway: Gateway,
) -> None:
    limited = gateway.resources.settings.model_copy(update={"requests_per_minute": 1})
    generous = await make_key(gateway, requests_per_minute=100)
    async with client_with(gateway, settings(), settings=limited) as client:
        for credential, second in ((token(), 429), (token(sub="else"), 429), (generous, 200)):
            headers = {"Authorization": f"Bearer {credential}"}
            assert (await client.get(PATH, headers=headers)).status_code == 200
            assert (await client.get(PATH, headers=headers)).status_code == second


async def test_refused_requests_count_too_and_show_the_quota(gateway: Gateway) -> None:
    key = await make_key(gateway, requests_per_minute=2)
    async with client_with(gateway, AuthSettings(), key) as client:
        answer = await client.get("/api/v1/tasks/not-an-id")
    assert (answer.status_code, answer.headers["ratelimit"].split(";")[1]) == (422, "r=1")


async def test_without_a_limit_no_quota_is_shown(gateway: Gateway) -> None:
    async with gateway.client(TENANT_KEY) as client:
        answer = await client.get(PATH)
    assert not [name for name in answer.headers if name.startswith("ratelimit")]


async def test_address_that_keeps_failing_is_429_whatever_it_shows(gateway: Gateway) -> None:
    async with client_with(gateway, AuthSettings(failures_per_minute=3), TENANT_KEY) as client:
        wrong = {"Authorization": "Bearer sk_wrong"}
        for _ in range(5):
            assert (await client.get(PATH)).status_code == 200
        codes = [(await client.get(PATH, headers=wrong)).status_code for _ in range(4)]
        assert codes == [401, 401, 401, 429]
        right = await client.get(PATH)
        assert (right.status_code, right.json()["code"]) == (429, "rate_limited")
        assert right.headers["retry-after"]
        assert (await client.get("/livez")).status_code == 200
