"""The providers that a policy declares: addresses of one's own that speak OpenAI's chat API."""

import ipaddress
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from omni_router.model_id import PROVIDER_POLICIES, is_model_id

LOCAL = "local"  # a provider of this name is never the Hub's: `only: ["local/*"]` holds even where none is declared
_HUB_HOSTS = (".huggingface.co", ".endpoints.huggingface.cloud")  # a Space is run by whoever made it
_PRIVATE_NAMES = (".local", ".internal", ".lan")


@dataclass(frozen=True)
class ModelTerms:
    """What is known of a model at its provider; None where nobody says."""

    context_length: int | None = None  # tokens
    input_price: float | None = None  # US dollars for a million tokens
    output_price: float | None = None
    tools: bool | None = None
    structured_output: bool | None = None
    images: bool | None = None

    def over(self, general: "ModelTerms") -> "ModelTerms":
        """Return these terms, and for what they leave open the general ones."""
        known = {name: value for name, value in vars(self).items() if value is not None}
        return replace(general, **known)


@dataclass(frozen=True)
class OwnModel:
    """A model that a policy names, by the name that its provider knows."""

    name: str
    terms: ModelTerms = ModelTerms()


@dataclass(frozen=True)
class OwnProvider:
    """An address that speaks OpenAI's chat API, and what its models have in common."""

    name: str
    address: str = ""  # up to /v1; empty: it cannot be used
    key_env: str | None = None  # the variable that holds its key
    models: tuple[OwnModel, ...] = ()  # empty: those that it lists
    terms: ModelTerms = ModelTerms()

    @property
    def host(self) -> str:
        """The host of its address."""
        return urlsplit(self.address).hostname or ""

    @property
    def is_loopback(self) -> bool:
        """Whether it is on this machine."""
        return is_loopback(self.host)

    @property
    def is_of_hugging_face(self) -> bool:
        """Whether a token of the Hub may be its key: an Inference Endpoint, say, and never in plain text."""
        return self.address.startswith("https://") and self.host.endswith(_HUB_HOSTS)


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_local(host: str) -> bool:
    """Return whether a host is this machine or one of its own network, where nobody charges for tokens."""
    if is_loopback(host) or host.endswith(_PRIVATE_NAMES) or (host and "." not in host and ":" not in host):
        return True
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return False


def is_provider_name(name: object) -> bool:
    """Return whether a provider may have this name: ids of models begin with it, and on `/v1` routes with `omni/`."""
    if not isinstance(name, str) or name in (*PROVIDER_POLICIES, "sandbox", "omni"):
        return False
    return name == name.casefold() and not set("._/:") & set(name) and is_model_id(f"{name}/a-model-1")
