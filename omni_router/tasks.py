"""The one table of tasks. To add a task: one entry here, one file in `nodes/` with a function of that name."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """What a specialist does, under the Hub's own name for it."""

    node: str  # the specialist node: a function and its file in omni_router.nodes
    served_as: tuple[str, ...]  # what inference providers call it
    takes_tools: bool = False  # its models may call functions, or answer in a form that is asked for
    takes_pictures: bool = False  # offered when the request holds a picture, and only in a thread that has one
    default_for: str | None = None  # the route name that has this task when its entry names none


DEFAULT_TASK = "text-generation"

TASKS: dict[str, Task] = {
    "text-generation": Task("generate_text", ("conversational",), takes_tools=True),
    "text-to-image": Task("generate_image", ("text-to-image",), default_for="image_generation"),
    "image-text-to-text": Task(
        "understand_image",
        ("conversational", "image-to-text"),
        takes_tools=True,
        takes_pictures=True,
        default_for="image_understanding",
    ),
}


SPECIALISTS = frozenset(task.node for task in TASKS.values())  # each time one of these nodes runs is one attempt


def default_task(route: str) -> str:
    """Give the task of a route whose entry names none."""
    return next((name for name, task in TASKS.items() if task.default_for == route), DEFAULT_TASK)
