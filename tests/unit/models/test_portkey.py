"""Portkey: the headers that its library makes, and the real gateway in front of a mock of the services."""

import json
import shutil
import subprocess
import time
import urllib.request

import pytest
from llmock.scenarios import Reply, ToolCall

from shared import registry
from shared.agent.models import Models
from shared.messages import ModelUnavailable, SettingError
from shared.models.portkey import PortkeyProvider, PortkeySettings
from tests.fakes.chat_models import parts
from tests.fakes.model_server import OPENAI_ANSWER, answered, serving
from tests.fakes.ports import free_port
from tests.unit.agent.kit import FakeTool
from tests.unit.models.kit import agent, ask, spare

pytestmark = pytest.mark.asyncio(loop_scope="module")

GATEWAY = "@portkey-ai/gateway@1.15.2"


def provider(**environ):
    return PortkeyProvider(settings=PortkeySettings.from_environ(environ), seconds=20)


async def headers_of(name, **environ):
    async with serving() as server:
        server.will(answered(OPENAI_ANSWER))
        reply = await provider(PORTKEY_BASE_URL=f"{server.url}/v1", **environ).chat_model(name=name).ainvoke("hello")
    (request,) = server.requests
    assert reply.text == "fine"
    assert request.path == "/v1/chat/completions"
    shown = {name: value for name, value in request.headers.items() if name.startswith("x-portkey-")}
    return shown, request.headers["authorization"], request.body["model"]


async def test_names_the_provider_and_hands_its_key_on():
    keys = {"PORTKEY_API_KEY": "pk", "OPENAI_API_KEY": "ok", "GOOGLE_API_KEY": "gk"}

    openai = await headers_of("openai:gpt-x", **keys)
    google = await headers_of("google_genai:gemini-x", **keys)

    assert openai == ({"x-portkey-api-key": "pk", "x-portkey-provider": "openai"}, "Bearer ok", "gpt-x")
    assert google == ({"x-portkey-api-key": "pk", "x-portkey-provider": "google"}, "Bearer gk", "gemini-x")


async def test_sends_a_routing_config_by_its_id_or_as_json():
    by_id = await headers_of("openai:gpt-x", PORTKEY_CONFIG="pc-fallback-1")
    inline = await headers_of("@prod/gpt-x", PORTKEY_CONFIG=' {"retry": {"attempts": 2}}')

    assert by_id[0] == {"x-portkey-config": "pc-fallback-1", "x-portkey-provider": "openai"}
    assert json.loads(inline[0]["x-portkey-config"]) == {"retry": {"attempts": 2}}
    assert inline[2] == "@prod/gpt-x"


@pytest.mark.parametrize("config", ["{", '["a"]', "{'provider': 'openai'}"])
async def test_a_malformed_config_is_named(config):
    with pytest.raises(SettingError, match="PORTKEY_CONFIG is wrong: .*neither an id nor a JSON object"):
        provider(PORTKEY_CONFIG=config)


@pytest.mark.parametrize(
    ("environ", "configured"), [({}, False), ({"PORTKEY_API_KEY": "k"}, True), ({"PORTKEY_BASE_URL": "http://x"}, True)]
)
async def test_is_configured_with_a_key_or_an_address(environ, configured):
    assert provider(**environ).configured() is configured


async def test_stands_in_front_by_the_settings_alone():
    async with serving() as server:
        server.will(answered(OPENAI_ANSWER))
        environ = {"PRAXOS_MODEL": "google_genai:gemini-x", "PORTKEY_BASE_URL": server.url, "GOOGLE_API_KEY": "gk"}
        reply = await Models(parts=parts(environ), build=registry.build_function).call(messages=[])

    assert reply.model == "google_genai:gemini-x"
    assert server.requests[0].headers["x-portkey-provider"] == "google"


# --- the gateway itself ---


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    """Portkey's own gateway, which is an npm package, on a free port."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node and npm are not installed: Portkey's gateway needs them")
    folder = tmp_path_factory.mktemp("gateway")
    (folder / "package.json").write_text("{}")
    # The tests' guard is for Python; nothing of npm's own scripts is run.
    command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline", GATEWAY]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    if done.returncode:
        pytest.skip("npm could not install Portkey's gateway")
    port = free_port()
    script = folder / "node_modules/@portkey-ai/gateway/build/start-server.js"
    process = subprocess.Popen(["node", str(script), f"--port={port}", "--headless"], stdout=subprocess.DEVNULL)
    try:
        wait_for(f"http://127.0.0.1:{port}/")
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(10)


def wait_for(url):
    deadline = time.monotonic() + 30
    while True:
        try:
            urllib.request.urlopen(url, timeout=1)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


@pytest.fixture(params=["openai", "google_genai"])
def through(request, gateway, llmock):
    """The provider's name, and it behind the gateway."""
    llmock.tool_mode("off")
    target = {"openai": ("openai", "openai"), "google_genai": ("google", "gemini")}[request.param]
    config = {"provider": target[0], "custom_host": llmock.base_url(target[1]), "api_key": "behind"}
    gate = provider(PORTKEY_BASE_URL=gateway, PORTKEY_CONFIG=json.dumps(config))
    return request.param, gate


async def test_talks_through_the_gateway(llmock, through):
    name, gate = through
    llmock.reply("Hello through the gateway.")

    answer = await ask(agent({name: spare(), "portkey": gate}))

    assert (answer.text, answer.model) == ("Hello through the gateway.", f"{name}:test-model")


async def test_calls_tools_through_the_gateway(llmock, through):
    name, gate = through
    llmock.add(Reply(tool_calls=(ToolCall("say", {"text": "a"}),)))
    llmock.reply("Done.")
    tool = FakeTool()

    answer = await ask(agent({name: spare(), "portkey": gate}, tools=[tool]))

    assert (answer.text, answer.tool_calls) == ("Done.", 1)
    assert "said a" in str(llmock.last_request.body)


async def test_trouble_behind_the_gateway_comes_through(llmock, through):
    name, gate = through
    llmock.fail(429, retry_after=9, times=None)

    with pytest.raises(ModelUnavailable) as caught:
        await ask(agent({name: spare(), "portkey": gate}))
    assert caught.value.retry_after == 9


async def test_the_gateways_own_fallback_answers(llmock, gateway):
    llmock.tool_mode("off").fail(500, times=None, provider="openai")
    llmock.reply("Gemini here.", provider="gemini")
    targets = [
        {"provider": "openai", "custom_host": llmock.base_url("openai"), "api_key": "a"},
        {
            "provider": "google",
            "custom_host": llmock.base_url("gemini"),
            "api_key": "b",
            "override_params": {"model": "gemini-x"},
        },
    ]
    config = {"strategy": {"mode": "fallback"}, "targets": targets}
    gate = provider(PORTKEY_BASE_URL=gateway, PORTKEY_CONFIG=json.dumps(config))

    assert (await ask(agent({"openai": spare(), "portkey": gate}))).text == "Gemini here."
