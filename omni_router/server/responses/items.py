"""The items of an output that grow while they are streamed, and the events of each."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from omni_router.server.responses.output import Response, custom_input, text_part

Event = tuple[str, dict[str, Any]]  # its name, and its fields beside `sequence_number`


class Item(ABC):
    """An item that grows."""

    def __init__(self, response: Response, place: int) -> None:
        self.response, self.place = response, place
        self.text = ""

    @abstractmethod
    def as_json(self, status: str) -> dict[str, Any]:
        """Return the item with what has come so far, and at its beginning without content."""

    def begin(self) -> Iterator[Event]:
        """Yield the events with which it begins."""
        yield self._whole("added", "in_progress")

    @abstractmethod
    def grow(self, text: str) -> Iterator[Event]:
        """Yield the events of more text."""

    def finish(self, status: str) -> Iterator[Event]:
        """Yield the events with which it ends."""
        yield self._whole("done", status)

    def _whole(self, verb: str, status: str) -> Event:
        return f"response.output_item.{verb}", {"output_index": self.place, "item": self.as_json(status)}

    def _part(self, event: str, /, **fields: Any) -> Event:
        id_ = self.as_json("in_progress")["id"]
        return f"response.{event}", {"item_id": id_, "output_index": self.place, **fields}


class ReasoningItem(Item):
    """The reasoning before an answer: as it is, or in the form of a summary."""

    def as_json(self, status: str) -> dict[str, Any]:
        """Return the item."""
        return self.response.reasoning(self.place, None if status == "in_progress" else self.text)

    def begin(self) -> Iterator[Event]:
        """Yield its beginning and that of its only part."""
        yield from super().begin()
        yield self._of_part("added", "")

    def grow(self, text: str) -> Iterator[Event]:
        """Yield more of it."""
        self.text += text
        name, fields = self._names()
        yield self._part(f"{name}_text.delta", **fields, delta=text)

    def finish(self, status: str) -> Iterator[Event]:
        """Yield its text, its part and itself as a whole."""
        name, fields = self._names()
        yield self._part(f"{name}_text.done", **fields, text=self.text)
        yield self._of_part("done", self.text)
        yield from super().finish(status)

    def _names(self) -> tuple[str, dict[str, int]]:
        """Return how the events of its text begin, and the place of its only part."""
        if self.response.summarized:
            return "reasoning_summary", {"summary_index": 0}
        return "reasoning", {"content_index": 0}

    def _of_part(self, verb: str, text: str) -> Event:
        if self.response.summarized:
            part = {"type": "summary_text", "text": text}
            return self._part(f"reasoning_summary_part.{verb}", summary_index=0, part=part)
        return self._part(f"content_part.{verb}", content_index=0, part={"type": "reasoning_text", "text": text})


class TextItem(Item):
    """The text of an answer."""

    def as_json(self, status: str) -> dict[str, Any]:
        """Return the item."""
        return self.response.message(self.place, None if status == "in_progress" else self.text, status)

    def begin(self) -> Iterator[Event]:
        """Yield its beginning and that of its only part."""
        yield from super().begin()
        yield self._part("content_part.added", content_index=0, part=text_part(""))

    def grow(self, text: str) -> Iterator[Event]:
        """Yield more of it."""
        self.text += text
        yield self._part("output_text.delta", content_index=0, delta=text, logprobs=[])

    def finish(self, status: str) -> Iterator[Event]:
        """Yield its text, its part and itself as a whole."""
        yield self._part("output_text.done", content_index=0, text=self.text, logprobs=[])
        yield self._part("content_part.done", content_index=0, part=text_part(self.text))
        yield from super().finish(status)


class CallItem(Item):
    """A call of a tool."""

    def __init__(self, response: Response, place: int, *, index: int, call_id: str | None, name: str | None) -> None:
        super().__init__(response, place)
        self.index, self.call_id, self._name = index, call_id, name

    def as_json(self, status: str) -> dict[str, Any]:
        """Return the item."""
        return self.response.call(self.place, self.call_id, self._name, self.text, status)

    def grow(self, text: str) -> Iterator[Event]:
        """Yield more of its arguments; the input of a custom tool is read when they are whole."""
        self.text += text
        if not self._is_custom():
            yield self._part("function_call_arguments.delta", delta=text)

    def finish(self, status: str) -> Iterator[Event]:
        """Yield its arguments or its input, and itself as a whole."""
        if self._is_custom():
            text = custom_input(self.text)
            yield self._part("custom_tool_call_input.delta", delta=text)
            yield self._part("custom_tool_call_input.done", input=text)
        else:
            yield self._part("function_call_arguments.done", arguments=self.text, name=self.as_json(status)["name"])
        yield from super().finish(status)

    def _is_custom(self) -> bool:
        tool = self.response.tools.named(self._name or "")
        return tool is not None and tool.custom
