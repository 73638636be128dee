"""The commands of the provider worker's README, run as they stand there by bash."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from shared.contracts.enums import AiProvider, ProviderType
from tests.fixtures.provider_platform import ProviderPlatform

_ROOT = Path(__file__).parents[2]
_README = _ROOT / "services/provider-worker/README.md"
_BLOCK = re.compile(r"^```bash\n(api=.*?)^```$", re.DOTALL | re.MULTILINE)
_ACCESS = re.compile(r"^api=\S+ key=\S+$", re.MULTILINE)


@pytest.fixture(scope="module")
async def responses(providers: ProviderPlatform) -> list[dict[str, Any]]:
    """Run the commands with the platform's address and key; return the JSON that they print."""
    (commands,) = _BLOCK.findall(_README.read_text(encoding="utf-8"))
    stack = providers.platform.stack
    access = f"api={stack.endpoints.gateway_url} key={stack.api_key}"
    commands, number = _ACCESS.subn(access, commands)
    assert number == 1
    bash = await asyncio.create_subprocess_exec(
        "bash",
        "-euo",
        "pipefail",
        "-c",
        commands,
        cwd=_ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    printed, errors = await bash.communicate()
    assert bash.returncode == 0, errors.decode()
    return [json.loads(line) for line in printed.decode().splitlines()]


async def test_every_task_of_the_readme_completes(
    providers: ProviderPlatform, responses: list[dict[str, Any]]
) -> None:
    created = [response for response in responses if "task_type" in response]
    assert {response["provider_type"] for response in created} == set(ProviderType)
    ended = [await providers.ended(task) for task in created]
    assert [(task["status"], task["errors"]) for task in ended] == [("COMPLETED", [])] * len(ended)
    options = [task["provider_config"] for task in ended if task["provider_type"] == "ai_core"]
    assert {each["ai_provider"] for each in options} == set(AiProvider)
    for task in ended:
        requests: list[dict[str, Any]] = (await providers.monitored(task))["service_requests"] or []
        posts = [request for request in requests if request["method"] == "POST"]
        assert bool(posts) == (task["provider_type"] != "local"), task


async def test_the_evaluation_of_the_readme_succeeds(responses: list[dict[str, Any]]) -> None:
    (evaluation,) = [response for response in responses if "matches_expected" in response]
    assert evaluation["success"], evaluation
    assert evaluation["number_of_people"] is not None


async def test_the_training_of_the_readme_completes_with_captions(
    providers: ProviderPlatform, responses: list[dict[str, Any]]
) -> None:
    (training,) = [response for response in responses if "trigger_word" in response]
    ended = await providers.platform.ended(f"/api/v1/training/{training['id']}")
    assert (ended["status"], ended["error_message"]) == ("COMPLETED", None)
    assert ended["preprocessing_captioning_strategy"] == "llm"
    assert not [warning for warning in ended["warnings"] if "caption" in warning]
