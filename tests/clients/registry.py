"""Every client that is driven: what it is called, what installs it, and what it has no way to do."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

FEATURES = ("chat", "stream", "tools", "images", "structured", "cancel", "error")
DRIVERS = Path(__file__).with_name("drivers")
CONSTRAINTS = Path(__file__).parents[2] / "constraints.txt"
OF_THE_CHECKOUT = "this checkout"  # the version of what is no package

Interface = Literal["chat completions", "responses", "messages", "embeddings", "LangGraph", "MCP", "A2A", "in process"]
ON_THE_LANGGRAPH_SERVER = ("LangGraph", "MCP", "A2A")

PYDANTIC_AI = "pydantic-ai-slim[openai,anthropic]==2.68.0"
LITELLM = "litellm==1.110.2"
HAYSTACK = "haystack-ai==3.4.1"
AG2 = "ag2[openai]==1.2.1"
AI_SDK = ("ai==6.0.326", "@ai-sdk/openai==3.0.141", "zod==4.6.7")  # 7 needs Node 22


@dataclass(frozen=True)
class Client:
    """One client, by one interface; each row of the page is one of these.

    `packages` come from PyPI, for a driver in Python, or from npm with `npm`; the version of the first is the client's.
    Without versions they are packages of the test environment, in the versions of constraints.txt, and CI drives the
    client. There is a sentence in `lacks` for each feature that the client does not offer, in `faults` for each that it
    gets wrong itself, and in `notes` for what the page should say about one that works.
    """

    name: str
    interface: Interface
    driver: str
    packages: Sequence[str] = ()
    npm: bool = False
    lacks: Mapping[str, str] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The name of its row."""
        return f"{self.name}, {self.interface}"

    @property
    def quick(self) -> bool:
        """Whether the test environment has it."""
        return not any("==" in package for package in self.packages)

    @property
    def version(self) -> str:
        """The version that is driven."""
        if not self.packages:
            return OF_THE_CHECKOUT
        name, _, version = self.packages[0].partition("==")
        return version or version_in_constraints(name)

    @property
    def features(self) -> list[str]:
        """What it offers of `FEATURES`."""
        return [feature for feature in FEATURES if feature not in self.lacks]


def version_in_constraints(package: str) -> str:
    """Return the exact version with which the suite runs.

    Raises:
        ValueError: there is none.
    """
    match = re.search(rf"^{re.escape(package)}==([^\s;]+)", CONSTRAINTS.read_text(encoding="utf-8"), re.MULTILINE)
    if match is None:
        raise ValueError(f"{package} is not in {CONSTRAINTS.name}")
    return match[1]


NO_CONVERSATIONS = "There are no conversations over MCP: each call is independent."
NO_STREAM_OVER_MCP = "MCP returns the result of a tool at once; the decision comes before it, as progress."
NO_TOOLS_OVER_MCP = "MCP's `ask` is itself a tool: the protocol has no place for a client's own tools in a call."
NO_TOOLS_OVER_A2A = "A2A is between agents: the protocol has no place for a client's own tools in a message."
DATA_OF_THE_RUN = (
    "The result of the run as data: route, model, attempts, answer. No form of the answer can be asked for."
)
ALWAYS_STREAMS = "Codex asks for streams alone, so these two are one check."
WITHOUT_STORED_ANSWERS = "With `store: false`: the AI SDK refers to stored answers otherwise, and none are stored here."

CLIENTS = (
    Client("openai", "chat completions", "openai_chat.py", ["openai"]),
    Client("openai", "responses", "openai_responses.py", ["openai"]),
    Client("anthropic", "messages", "anthropic_sdk.py", ["anthropic"]),
    Client("langchain-openai", "chat completions", "langchain_openai_chat.py", ["langchain-openai"]),
    Client("huggingface_hub", "chat completions", "huggingface_hub_chat.py", ["huggingface_hub"]),
    Client("ChatOmni in LangChain", "in process", "chat_omni.py"),
    Client("langgraph-sdk", "LangGraph", "langgraph_sdk_client.py", ["langgraph-sdk"]),
    Client(
        "mcp",
        "MCP",
        "mcp_client.py",
        ["mcp"],
        lacks={"stream": NO_STREAM_OVER_MCP, "tools": NO_TOOLS_OVER_MCP},
        notes={"chat": NO_CONVERSATIONS, "structured": DATA_OF_THE_RUN},
    ),
    Client(
        "a2a-sdk",
        "A2A",
        "a2a_client.py",
        ["a2a-sdk"],
        lacks={"tools": NO_TOOLS_OVER_A2A},
        notes={"structured": DATA_OF_THE_RUN},
    ),
    Client(
        "langchain-anthropic",
        "messages",
        "langchain_anthropic_client.py",
        ["langchain-anthropic==1.7.10", "langchain==1.5.2"],
    ),
    Client("openai-agents", "responses", "openai_agents.py", ["openai-agents==0.24.0"]),
    Client("openai-agents", "chat completions", "openai_agents_chat.py", ["openai-agents==0.24.0"]),
    Client("pydantic-ai", "responses", "pydantic_ai_responses.py", [PYDANTIC_AI]),
    Client("pydantic-ai", "chat completions", "pydantic_ai_chat.py", [PYDANTIC_AI]),
    Client("pydantic-ai", "messages", "pydantic_ai_anthropic.py", [PYDANTIC_AI]),
    Client("smolagents", "chat completions", "smolagents_chat.py", ["smolagents[openai]==1.26.0"]),
    Client("haystack", "responses", "haystack_responses.py", [HAYSTACK]),
    Client("haystack", "chat completions", "haystack_chat.py", [HAYSTACK]),
    Client("ag2", "responses", "ag2_responses.py", [AG2]),
    Client("ag2", "chat completions", "ag2_chat.py", [AG2]),
    Client("LlamaIndex OpenAILike", "chat completions", "llama_index_chat.py", ["llama-index-llms-openai-like==0.8.1"]),
    Client("litellm", "responses", "litellm_responses.py", [LITELLM]),
    Client("litellm", "chat completions", "litellm_chat.py", [LITELLM]),
    Client("litellm", "messages", "litellm_anthropic.py", [LITELLM]),
    Client(
        "instructor",
        "chat completions",
        "instructor_chat.py",
        ["instructor==1.17.0"],
        lacks={"tools": "Instructor uses tools for structured output alone, and runs none."},
    ),
    Client("AI SDK", "responses", "ai_sdk.mjs", AI_SDK, npm=True, notes={"chat": WITHOUT_STORED_ANSWERS}),
    Client(
        "AI SDK",
        "chat completions",
        "ai_sdk_compatible.mjs",
        ["ai==6.0.326", "@ai-sdk/openai-compatible==2.0.92", "zod==4.6.7"],
        npm=True,
    ),
    Client(
        "AI SDK",
        "messages",
        "ai_sdk_anthropic.mjs",
        ["ai==6.0.326", "@ai-sdk/anthropic==3.0.140", "zod==4.6.7"],
        npm=True,
    ),
    Client("openai (npm)", "chat completions", "openai_node.mjs", ["openai==6.30.1", "zod==4.6.7"], npm=True),
    Client(
        "@langchain/langgraph-sdk (npm)",
        "LangGraph",
        "langgraph_sdk_client.mjs",
        ["@langchain/langgraph-sdk==1.15.0", "@langchain/core==1.4.0"],
        npm=True,
    ),
    Client(
        "langchain-mcp-adapters",
        "MCP",
        "langchain_mcp.py",
        ["langchain-mcp-adapters==0.3.2"],
        lacks={"stream": NO_STREAM_OVER_MCP, "tools": NO_TOOLS_OVER_MCP},
        notes={"chat": NO_CONVERSATIONS, "structured": DATA_OF_THE_RUN},
    ),
    Client("llm", "chat completions", "llm_cli.py", ["llm==0.36"]),
    Client(
        "Codex",
        "responses",
        "codex_cli.py",
        ["@openai/codex==0.171.0"],
        npm=True,
        notes={"chat": ALWAYS_STREAMS, "stream": ALWAYS_STREAMS},
    ),
    Client("Claude Code", "messages", "claude_code.py", ["@anthropic-ai/claude-code==2.1.197"], npm=True),
)

# The table has no column for what these do.
EMBEDDINGS = Client("langchain-openai and openai", "embeddings", "embeddings.py", ["langchain-openai", "openai"])
