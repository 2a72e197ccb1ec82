"""The headers of our own in responses, and what each says."""

DECISION_ID_HEADER = "x-omni-decision"
MODEL_HEADER = "x-omni-model"

# By the key of the decision that it shows.
DECISION_HEADERS = {
    "x-omni-route": "route",
    MODEL_HEADER: "model",
    "x-omni-source": "source",
    "x-omni-confidence": "confidence",
    DECISION_ID_HEADER: "id",
}
COST_HEADER = "x-omni-cost"  # US dollars; absent where it is not known, and before the end of a stream
ESTIMATE_HEADER = "x-omni-estimated-cost"  # US dollars, before the call of the model
IGNORED_HEADER = "x-omni-ignored"  # the parameters of a request that had no effect

# The headers that a page from another origin may read; langgraph.json repeats them for the LangGraph server.
CORS_EXPOSED = (
    *DECISION_HEADERS,
    COST_HEADER,
    ESTIMATE_HEADER,
    IGNORED_HEADER,
    "retry-after",
    "x-should-retry",
    "request-id",
)
