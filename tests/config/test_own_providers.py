"""`providers` in the entry `*`: what is read, and what each fault costs."""

import json
from pathlib import Path
from typing import Any

import pytest

from omni_router.config.own_providers import OwnProvider, is_local, is_loopback
from omni_router.config.route_file import RouteFile
from omni_router.config.routes import DEFAULT_POLICY, parse_document, read_entries

ADDRESS = "http://127.0.0.1:11434/v1"


def read(*providers: Any) -> tuple[tuple[OwnProvider, ...], list[str]]:
    document = read_entries([{"name": "*", "providers": list(providers)}])
    return document.providers, list(document.warnings)


def test_the_default_policy_declares_none() -> None:
    assert parse_document(DEFAULT_POLICY.read_text(), DEFAULT_POLICY).providers == ()


def test_a_name_and_an_address_are_enough() -> None:
    (provider,), warnings = read({"name": "local", "address": ADDRESS})
    assert warnings == []
    assert (provider.name, provider.address, provider.key_env, provider.models) == ("local", ADDRESS, None, ())
    assert (provider.terms.input_price, provider.terms.output_price) == (0.0, 0.0)
    assert provider.terms.tools is None


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:11434", "http://127.0.0.1:11434/", f"{ADDRESS}/", f"{ADDRESS}/chat/completions"]
)
def test_an_address_ends_in_v1(address: str) -> None:
    (provider,), _ = read({"name": "local", "address": address})
    assert provider.address == ADDRESS


def test_models_have_terms_of_their_own_over_those_of_the_provider() -> None:
    model = {"id": "big:70b", "context_length": 4096, "tools": False, "price": {"input": 1, "output": 2.5}}
    (provider,), warnings = read(
        {"name": "gpu", "address": "https://gpu.example.org/v1", "tools": True, "models": ["small", model]}
    )
    assert warnings == []
    small, big = (each.terms.over(provider.terms) for each in provider.models)
    assert (small.tools, small.context_length, small.input_price) == (True, None, None)
    assert (big.tools, big.context_length, big.input_price, big.output_price) == (False, 4096, 1.0, 2.5)


def test_whether_tokens_are_free_may_be_declared() -> None:
    (provider,), _ = read({"name": "gpu", "address": "https://gpu.example.org/v1", "local": True})
    assert provider.terms.input_price == 0.0
    (provider,), _ = read({"name": "gpu", "address": ADDRESS, "local": False})
    assert provider.terms.input_price is None


@pytest.mark.parametrize(
    ("entry", "warning"),
    [
        ("local", "a provider is skipped: it is not an object such as"),
        ({"address": ADDRESS}, 'its "name" is None, which is not small letters, digits and single hyphens'),
        ({"name": "My GPU", "address": ADDRESS}, "its \"name\" is 'My GPU'"),
        ({"name": "cheapest", "address": ADDRESS}, "and not auto, fastest, cheapest, preferred, sandbox or omni"),
        ({"name": "omni", "address": ADDRESS}, "its \"name\" is 'omni', which is not"),
        ("http://user:password@host/v1", "it is not an object"),
        ({"name": "http://user:password@host/v1"}, 'its "name" is an address, which is not'),
        ({"name": "sandbox", "address": ADDRESS}, "its \"name\" is 'sandbox'"),
        ({"name": "a/b", "address": ADDRESS}, "its \"name\" is 'a/b'"),
    ],
)
def test_a_provider_without_a_usable_name_is_skipped(entry: Any, warning: str) -> None:
    providers, (found,) = read(entry)
    assert providers == ()
    assert warning in found
    assert "password" not in found


@pytest.mark.parametrize(
    ("entry", "warning"),
    [
        ({}, '"address" is not an http or https address'),
        ({"address": "ftp://127.0.0.1"}, '"address" is not'),
        ({"address": "127.0.0.1:11434"}, '"address" is not'),
        ({"address": "http://user:password@host/v1"}, '"address" is not'),
        ({"address": "http://host/v1?key=password"}, '"address" is not'),
        ({"address": "http://host:99999/v1"}, '"address" is not'),
        ({"address": "http://[::1/v1"}, '"address" is not'),
        ({"address": "http://a host/v1"}, '"address" is not'),
        ({"address": "http://a..host/v1"}, '"address" is not'),
        ({"address": ADDRESS, "key_env": "sk-password"}, '"key_env" is not the name of an environment variable'),
        ({"address": ADDRESS, "key_env": "hf_password"}, '"key_env" is not'),
        ({"address": ADDRESS, "key_env": ""}, '"key_env" is not'),
        ({"address": ADDRESS, "models": "all"}, '"models" is not an array'),
        ({"address": ADDRESS, "local": "yes"}, '"local" is not true or false'),
    ],
)
def test_a_provider_with_a_fault_keeps_its_name_and_serves_nothing(entry: dict[str, Any], warning: str) -> None:
    providers, (found,) = read({"name": "gpu", **entry})
    assert providers == (OwnProvider("gpu"),)
    assert warning in found
    assert "password" not in found


@pytest.mark.parametrize(
    ("key", "value"),
    [("context_length", 0), ("tools", "yes"), ("images", 1), ("price", 3), ("price", {"input": 1}), ("price", [])],
)
def test_a_term_that_cannot_be_read_is_unknown(key: str, value: Any) -> None:
    (provider,), (warning,) = read({"name": "gpu", "address": "https://gpu.example.org", key: value})
    assert provider.address == "https://gpu.example.org/v1"
    assert warning.startswith(f"\"{key}\" of provider 'gpu' is ignored: ")
    assert vars(provider.terms) == dict.fromkeys(vars(provider.terms))


def test_a_model_that_cannot_be_read_costs_that_model_and_not_the_choice_of_models() -> None:
    (provider,), (warning,) = read({"name": "gpu", "address": ADDRESS, "models": ["one", 2]})
    assert [model.name for model in provider.models] == ["one"]
    assert 'its "id" is 2, not the name of a model' in warning
    (provider,), _ = read({"name": "gpu", "address": ADDRESS, "models": [2]})
    assert provider == OwnProvider("gpu")  # and not all that it lists


def test_other_faults_are_reported() -> None:
    twice = {"name": "gpu", "address": ADDRESS}
    providers, warnings = read(twice, twice, {"name": "tpu", "address": ADDRESS, "modles": []})
    assert [provider.name for provider in providers] == ["gpu", "tpu"]
    assert warnings[0] == "a second provider 'gpu' is skipped: the name is already used"
    assert warnings[1].startswith("modles of provider 'tpu' has no effect; allowed are name, address")
    assert read_entries([{"name": "*", "providers": {}}]).warnings == ('"providers" is ignored: not an array',)


def test_they_belong_into_the_entry_of_all_routes() -> None:
    entries = [{"name": "code", "description": "code", "providers": [{"name": "local", "address": ADDRESS}]}]
    document = read_entries(entries)
    assert document.providers == ()
    assert document.warnings == ("\"providers\" of route 'code' is ignored: it belongs into the entry '*'",)


def test_they_survive_an_update_of_the_file_and_are_read_again_when_they_change(tmp_path: Path) -> None:
    path = tmp_path / "route_config.json"
    star = {"name": "*", "providers": [{"name": "local", "address": ADDRESS, "later": 1}]}
    path.write_text(json.dumps([star, {"name": "code", "description": "code"}]))
    file = RouteFile(path)
    assert [provider.name for provider in file.providers()] == ["local"]

    def add_model(entries: list[dict[str, Any]]) -> bool:
        entries[1]["models"] = ["local/llama3.2-3b"]
        return True

    file.update(add_model)
    assert json.loads(path.read_text())[0] == star
    path.write_text(json.dumps([{**star, "providers": []}]))
    assert file.providers() == ()


@pytest.mark.parametrize(
    ("host", "loopback", "local"),
    [
        ("127.0.0.1", True, True),
        ("::1", True, True),
        ("localhost", True, True),
        ("10.1.2.3", False, True),
        ("vllm", False, True),
        ("gpu.local", False, True),
        ("8.8.8.8", False, False),
        ("localhost.example.org", False, False),
        ("", False, False),
    ],
)
def test_what_is_on_this_machine_and_what_in_its_network(host: str, *, loopback: bool, local: bool) -> None:
    assert (is_loopback(host), is_local(host)) == (loopback, local)
