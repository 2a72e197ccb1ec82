"""What a chat model can do, as LangChain's middleware reads it; `ChatOmni(profile=...)` replaces it."""

from langchain_core.language_models import ModelProfile

# Any model of the catalog may answer, so a conversation has to fit the smallest of them: of the chat models with a
# price on the list of Inference Providers in July 2026 none took less. Most take four times as much.
MAX_INPUT_TOKENS = 32_000

DEFAULT_PROFILE = ModelProfile(
    max_input_tokens=MAX_INPUT_TOKENS,
    text_inputs=True,
    image_inputs=True,
    image_url_inputs=True,
    image_tool_message=True,
    pdf_inputs=False,
    audio_inputs=False,
    video_inputs=False,
    text_outputs=True,
    # A picture is saved to a file, which stands in the answer's `response_metadata`: its content is text.
    image_outputs=False,
    audio_outputs=False,
    video_outputs=False,
    tool_calling=True,
    tool_choice=True,
    tool_call_streaming=True,
    # `with_structured_output(method="json_schema")` works, but an agent would send a schema together with its tools,
    # and not every provider takes both in one request. False has the agent ask by a tool instead.
    structured_output=False,
    temperature=True,
)
