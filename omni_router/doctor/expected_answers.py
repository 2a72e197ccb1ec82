"""The answers that this package expects of the Hub, of providers and of LMArena: the shapes that the sandbox simulates.

What the package can do without is optional; whatever else an answer holds is noted as new.
"""

from omni_router.doctor.shapes import Either, Fields, Items, Null, Number, Shape, Text, YesOrNo

TOKENS = Number(1, 1e9)
PRICE = Number(0, 1e5)  # US dollars for a million tokens
COUNT = Number()
STATUSES = Text(("live", "staging", "error"))
GATED = Either((YesOrNo(), Text(("auto", "manual"))))


def or_null(shape: Shape) -> Shape:
    """Return the shape that null fits, too."""
    return Either((shape, Null()))


# GET /api/whoami-v2. The names and addresses in it are not looked at.
PERMISSIONS = Items(Text(), least=0)
TOKEN = Fields(
    {"role": Text()},
    {
        "displayName": Text(),
        "createdAt": Text(),
        "fineGrained": Fields(
            {"scoped": Items(Fields({"permissions": PERMISSIONS}, {"entity": Fields({}, open_ended=True)}), least=0)},
            {"global": PERMISSIONS, "canReadGatedRepos": YesOrNo()},
        ),
    },
)
WHO_AM_I = Fields({"type": Text(), "auth": Fields({"type": Text()}, {"accessToken": TOKEN})}, open_ended=True)

# GET /api/models with expand: the mapping is a list here.
PROVIDER = Fields(
    {"provider": Text(), "status": STATUSES, "task": Text(), "providerId": Text()},
    {"type": Text()},
    open_ended=True,  # measurements, adapters, features
)
HUB_MODELS = Items(
    Fields(
        {"id": Text(), "inferenceProviderMapping": Items(PROVIDER), "gated": GATED},
        {"_id": Text(), "createdAt": Text(), "trendingScore": Number(-1e12)},
    )
)

# GET /v1/models of the router of Inference Providers.
OFFER = Fields(
    {"provider": Text(), "status": STATUSES},
    {
        "context_length": TOKENS,
        "pricing": Fields({"input": PRICE, "output": PRICE}),
        "is_free": YesOrNo(),
        "supports_tools": YesOrNo(),
        "supports_structured_output": YesOrNo(),
        "first_token_latency_ms": Number(0, 1e7),
        "throughput": Number(0, 1e6),
        "is_model_author": YesOrNo(),
    },
)
MODALITIES = Items(Text())
ROUTER_MODELS = Fields(
    {
        "data": Items(
            Fields(
                {"id": Text(), "providers": Items(OFFER)},
                {
                    "object": Text(("model",)),
                    "created": COUNT,
                    "owned_by": Text(),
                    "architecture": Fields({"input_modalities": MODALITIES, "output_modalities": MODALITIES}),
                },
            )
        )
    },
    {"object": Text(("list",))},
)

# GET /api/datasets?filter=benchmark:official, and the board of one.
BENCHMARKS = Items(Fields({"id": Text()}, {"gated": GATED}, open_ended=True))
BOARD = Items(
    Fields(
        {"rank": COUNT, "modelId": Text(), "value": Number(-1e9), "verified": YesOrNo()},
        {
            "filename": Text(),
            "author": Fields({"name": Text()}, open_ended=True),
            "source": or_null(Fields({}, {"name": Text(), "url": Text(), "isExternal": YesOrNo()}, open_ended=True)),
            "notes": or_null(Text()),
            "pullRequest": or_null(COUNT),
            "lower_is_better": YesOrNo(),
            "num_parameters": or_null(Number(0, 1e15)),
        },
    )
)

# GET /rows of the datasets server, of LMArena's ratings.
RATING = Number(-1e5, 1e5)
ARENA_ROW = Fields(
    {
        "model_name": Text(),
        "rating": RATING,
        "vote_count": COUNT,
        "category": Text(),
        "leaderboard_publish_date": Text(),
    },
    {
        "organization": or_null(Text()),
        "license": or_null(Text()),
        "rating_lower": or_null(RATING),
        "rating_upper": or_null(RATING),
        "variance": or_null(COUNT),
        "rank": COUNT,
    },
)
ARENA = Fields(
    {"rows": Items(Fields({"row": ARENA_ROW}, {"row_idx": COUNT, "truncated_cells": Items(Text(), least=0)}))},
    {
        "features": Items(Fields({"name": Text()}, open_ended=True)),
        "num_rows_total": COUNT,
        "num_rows_per_page": COUNT,
        "partial": YesOrNo(),
    },
)

# One event of a streamed chat; the last ones have no choices, or the usage.
USAGE = Fields({"prompt_tokens": COUNT, "completion_tokens": COUNT}, {"total_tokens": COUNT}, open_ended=True)
DELTA = Fields(
    {},
    {
        "role": or_null(Text()),
        "content": or_null(Text()),
        "reasoning": or_null(Text()),
        "reasoning_content": or_null(Text()),
        "tool_calls": or_null(Items(Fields({}, open_ended=True), least=0)),
    },
)
CHAT_EVENT = Fields(
    {
        "choices": Items(
            Fields({"delta": DELTA}, {"index": COUNT, "finish_reason": or_null(Text()), "logprobs": Null()}), least=0
        )
    },
    {
        "id": Text(),
        "object": Text(),
        "created": COUNT,
        "model": Text(),
        "usage": or_null(USAGE),
        "system_fingerprint": or_null(Text()),
    },
)

# GET /api/models/{the router's checkpoint}.
CARD = Fields(
    {"id": Text(), "gated": GATED, "siblings": Items(Fields({"rfilename": Text()}, open_ended=True))},
    {
        "pipeline_tag": or_null(Text()),
        "cardData": Fields({}, {"license": Text(), "license_name": Text()}, open_ended=True),
    },
    open_ended=True,
)
