"""The queries of `omni-router --demo`: one for most of the routes."""

from typing import NamedTuple


class Query(NamedTuple):
    """A prompt, with or without an image."""

    prompt: str
    image: str | None = None  # URL or path


DEFAULT_MULTI_MODAL_QUERIES = (
    Query("Hello! How are you today?"),
    Query("Tell me a joke about computers."),
    Query("Summarize the following article: Artificial intelligence in healthcare is growing rapidly..."),
    Query("Who was the first woman to win a Nobel Prize in Physics?"),
    Query("Write a Python function to check if a number is prime."),
    Query("I have this code that's failing, can you fix it?\npython\nx = [1,2,3]\nprint(x[::-1]"),
    Query("Generate an image of a tropical beach at sunset with palm trees."),
    Query(
        "Here's a photo of my garden. What kind of flower is the one with purple petals?",
        "https://upload.wikimedia.org/wikipedia/commons/5/5f/Phlox_paniculata_%27Younique_Lilac%27.jpg",
    ),
)
