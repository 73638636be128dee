import json
import shlex

import pytest

from local_stack.example import curl_commands, example_workflow, provider_command


def test_refine_uses_the_result_of_generate() -> None:
    generate, refine = json.loads(example_workflow())["steps"]
    assert generate["config"]["width"] == generate["config"]["height"] == 64
    assert "seed" not in generate["config"]
    [mapping] = refine["input_mappings"]
    assert mapping == {
        "from_step": generate["id"],
        "from_field": "result_image_path",
        "to_field": "base_image_url",
    }
    assert refine["depends_on"] == [generate["id"]]


def test_size_follows_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SARTIQ_MODEL_SOURCE", "black-forest-labs/FLUX.1-schnell")
    assert json.loads(example_workflow())["steps"][0]["config"]["width"] == 1024


def test_curl_command_can_be_pasted() -> None:
    words = shlex.split(curl_commands("http://127.0.0.1:1", "sk_sartiq_x").replace("\\\n", " "))
    assert "Authorization: Bearer sk_sartiq_x" in words
    assert "http://127.0.0.1:1/api/v1/workflows/" in words
    assert json.loads(words[words.index("-d") + 1]) == json.loads(example_workflow())


def test_command_for_a_provider_can_be_pasted() -> None:
    words = shlex.split(provider_command("http://127.0.0.1:1", "sk_sartiq_x").replace("\\\n", " "))
    assert "Authorization: Bearer sk_sartiq_x" in words
    assert json.loads(words[words.index("-d") + 1])["provider_type"] == "fal_standard"
