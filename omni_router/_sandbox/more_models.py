"""The models that the catalog of `--sandbox` lists beside those of every sandbox, so that there are enough to compare.

One is better than the others at most things and expensive, one is fluent, one good at mathematics and knowledge, and
one small and nearly free. A fourth one describes images, and a fourth one draws them: boards compare four at least.
"""

from collections.abc import Collection

from omni_router._sandbox.models import Model

ProvidersOf = dict[str, tuple[str, ...]]  # by model
Figures = dict[str, tuple[float, ...]]  # by board or category, one for each model

TEXT: ProvidersOf = {
    "sandbox/text-generation-10": ("novita", "together"),
    "sandbox/text-generation-11": ("together",),
    "sandbox/text-generation-12": ("fireworks-ai", "novita"),
    "sandbox/text-generation-13": ("novita",),
}
VISION: ProvidersOf = {"sandbox/image-text-to-text-10": ("novita", "together")}
DRAWING: ProvidersOf = {"sandbox/text-to-image-10": ("fal-ai",)}
TASKS = {"text-generation": TEXT, "image-text-to-text": VISION, "text-to-image": DRAWING}

# Their values on boards, and their ratings by category, in this order.
VALUES: Figures = {
    "SWE-bench/SWE-bench_Verified": (80.0, 58.0, 70.0, 30.0),
    "harborframework/terminal-bench-2.0": (53.5, 35.0, 44.0, 15.0),
    "MathArena/aime_2026": (93.0, 72.0, 97.5, 40.0),
    "cais/hle": (42.0, 19.0, 46.0, 5.0),
    "TIGER-Lab/MMLU-Pro": (87.5, 81.0, 88.5, 65.0),
}
VISION_VALUES: Figures = {"MMMU/MMMU_Pro": (66.3,), "allenai/olmOCR-bench": (82.5,)}
TEXT_RATINGS: Figures = {
    "overall": (1445.0, 1443.0, 1421.0, 1330.0),
    "coding": (1472.0, 1425.0, 1440.0, 1320.0),
    "math": (1460.0, 1410.0, 1469.0, 1310.0),
    "creative_writing": (1435.0, 1449.0, 1398.0, 1340.0),
    "multi_turn": (1438.0, 1455.0, 1410.0, 1335.0),
}
RATINGS: dict[str, tuple[ProvidersOf, Figures]] = {
    "text_style_control": (TEXT, TEXT_RATINGS),
    "vision_style_control": (VISION, {"overall": (1262.0,)}),
    "text_to_image": (DRAWING, {"overall": (1088.0,)}),
}


def more_models() -> dict[str, Model]:
    """Return the models."""
    models: dict[str, Model] = {}
    for task, providers_of in TASKS.items():
        for name, providers in providers_of.items():
            models[name] = Model(task, providers, listed=True)
    return models


def values_on(board: str) -> dict[str, float]:
    """Return the values of the models on a board; none where it does not know them."""
    values = dict(zip(TEXT, VALUES.get(board, ()), strict=False))
    return values | dict(zip(VISION, VISION_VALUES.get(board, ()), strict=False))


def ratings_in(config: str, category: str, models: Collection[str]) -> dict[str, float]:
    """Return the ratings of those of the models that the catalog has, under the names that LMArena gives them."""
    names, by_category = RATINGS.get(config, ({}, {}))
    ratings = zip(names, by_category.get(category, ()), strict=False)
    return {model.partition("/")[2]: rating for model, rating in ratings if model in models}
