"""The table of checks, in their order: a later one may use what an earlier one found."""

from omni_router.doctor.examination import Check
from omni_router.doctor.machine import check_caches, check_database, check_disk, check_encoder
from omni_router.doctor.model_calls import check_chat, check_image
from omni_router.doctor.remote import (
    check_arena,
    check_benchmarks,
    check_board,
    check_checkpoint,
    check_hub_models,
    check_router_models,
    check_token,
)

CHECKS = (
    Check("token", "GET /api/whoami-v2 of the Hub", check_token),
    Check("models", "GET /api/models of the Hub: who serves text models", check_hub_models),
    Check("router", "GET /v1/models of the router of Inference Providers", check_router_models),
    Check("benchmarks", "GET /api/datasets of the Hub: the official benchmarks", check_benchmarks),
    Check("board", "GET /api/datasets/{id}/leaderboard of the Hub", check_board),
    Check("arena", "GET /rows of the datasets server: ratings of LMArena", check_arena),
    Check("chat", "POST /v1/chat/completions: 16 tokens, streamed", check_chat),
    Check("image", "an image by the first provider of the first model", check_image, only_full=True),
    Check("checkpoint", "GET /api/models/{id} of the Hub: the checkpoint of --router arch", check_checkpoint),
    Check("encoder", "the encoder of the embedded router", check_encoder),
    Check("caches", "the files in OMNI_CACHE_DIR", check_caches),
    Check("database", "PostgreSQL, if OMNI_HISTORY names one", check_database),
    Check("disk", "the folders that are written, and the space there", check_disk),
)
