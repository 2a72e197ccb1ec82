"""Tools: those of a response as those of a chat, and the names under which their calls come back."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from omni_router.server.openai.errors import ApiError, shown, wrong
from omni_router.server.openai.requests import check_tool

# Clients such as Codex offer these to every model. A model never has to use them, so a request without them is answered
# as it would be by a model that does not search; the response names them as ignored.
LEFT_OUT = ("web_search", "web_search_preview", "tool_search")
_ALLOWED = "allowed are function, custom and namespace; a hosted tool runs on OpenAI's servers, leave it out"
_CHOICES = "allowed are auto, none, required, and an object of type function, custom or allowed_tools"

# The only parameter of a tool that takes any text, such as a patch.
_CUSTOM_PARAMETERS = {
    "type": "object",
    "properties": {"input": {"type": "string", "description": "the whole input of the tool"}},
    "required": ["input"],
    "additionalProperties": False,
}


class Tool(NamedTuple):
    """A tool of a request that a model may call."""

    name: str
    chat_name: str  # the name in the chat, where a name in a namespace may have to be made unique
    namespace: str | None
    raw: Mapping[str, Any]

    @property
    def custom(self) -> bool:
        """Whether it takes a text instead of arguments."""
        return bool(self.raw["type"] == "custom")

    def for_chat(self) -> dict[str, Any]:
        """Return the tool in the form of a chat."""
        function: dict[str, Any] = {"name": self.chat_name}
        for key in ("description", "parameters", "strict"):
            if self.raw.get(key) is not None:
                function[key] = self.raw[key]
        if self.custom:
            function["parameters"] = _CUSTOM_PARAMETERS
            if definition := (self.raw.get("format") or {}).get("definition"):
                function["description"] = f"{function.get('description', '')}\n\nGrammar of the input:\n{definition}"
        return {"type": "function", "function": function}


class Tools:
    """The tools of a request, and what it says about their choice."""

    def __init__(self, raw_tools: list[Any], choice: str | Mapping[str, Any] | None) -> None:
        self.left_out: list[str] = []
        self._tools: dict[str, Tool] = {}
        for index, raw in enumerate(raw_tools):
            for tool in self._read(raw, f"tools[{index}]", None):
                self._tools[tool.chat_name] = tool
        self._choice = self._read_choice(choice)

    def for_chat(self) -> dict[str, Any]:
        """Return the parameters of a chat for them.

        Raises:
            ApiError: a tool has to be called, and none that is served is offered.
        """
        if not self._tools and self._choice == "required":
            raise wrong("tool_choice", self._choice, "the request has no tool of type function or custom")
        if not self._tools:
            return {}
        return {"tools": [tool.for_chat() for tool in self._tools.values()], "tool_choice": self._choice}

    def chat_name(self, name: str, namespace: str | None) -> str:
        """Return the name that a tool has in the chat; a tool that is no longer offered keeps its own."""
        for tool in self._tools.values():
            if (tool.name, tool.namespace) == (name, namespace):
                return tool.chat_name
        return name

    def named(self, chat_name: str) -> Tool | None:
        """Return the tool that a model calls, or None if it calls one that was not offered."""
        return self._tools.get(chat_name)

    def _read(self, raw: Any, where: str, namespace: str | None) -> Iterator[Tool]:
        match raw:
            case {"type": "namespace", "name": str(name), "tools": list(inner)} if namespace is None:
                for index, tool in enumerate(inner):
                    yield from self._read(tool, f"{where}.tools[{index}]", name)
            case {"type": "custom", "format": format_} if not isinstance(format_, dict | None):
                raise wrong(f"{where}.format", format_, "it is an object with type, and for a grammar with definition")
            case {"type": "function" | "custom", "name": str(name)}:
                check_tool(raw, where)
                yield Tool(name, self._unique(name, namespace), namespace, raw)
            case {"type": str(kind)} if kind.startswith(LEFT_OUT):
                self.left_out.append(f"tools.{kind}")
            case {"type": "function" | "custom" | "namespace"}:
                raise wrong(where, raw, "a tool has a type and a name, both strings")
            case {"type": kind}:
                raise wrong(f"{where}.type", kind, _ALLOWED)
            case _:
                raise wrong(where, raw, "a tool is an object with type and name")

    def _unique(self, name: str, namespace: str | None) -> str:
        if name in self._tools and namespace is not None:
            return f"{namespace}__{name}"
        return name

    def _read_choice(self, choice: Any) -> Any:
        match choice:
            case None | "auto" | "none" | "required":
                return choice
            case {"type": "function" | "custom", "name": str(name)}:
                return {"type": "function", "function": {"name": self._offered(name)}}
            case {"type": "allowed_tools", "mode": "auto" | "required" as mode, "tools": list(allowed)}:
                names = _names(allowed)
                self._tools = {key: tool for key, tool in self._tools.items() if tool.name in names}
                return mode
            case {"type": kind}:
                raise wrong("tool_choice.type", kind, _CHOICES)
        raise wrong("tool_choice", choice, _CHOICES)

    def _offered(self, name: str) -> str:
        for tool in self._tools.values():
            if tool.name == name:
                return tool.chat_name
        raise ApiError(f"tool_choice names the tool {shown(name)}, which is not among the tools.", param="tool_choice",
                       code="invalid_value")  # fmt: skip


def _names(allowed: list[Any]) -> set[str | None]:
    """Return the names of the tools that a model may choose from; hosted tools have none."""
    names: set[str | None] = set()
    for tool in allowed:
        if not isinstance(tool, dict) or not isinstance(tool.get("name"), str | None):
            raise wrong("tool_choice.tools", allowed, "it is a list of objects, each with the name of a tool")
        names.add(tool.get("name"))
    return names
