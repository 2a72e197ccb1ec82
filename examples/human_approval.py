"""Ask a person before a decision is acted on that is uncertain, or costs money; then go on from there.

The router is asked once: `propose` only routes, and `answer` gets the route and the model that were approved.

    OMNI_SANDBOX=1 python examples/human_approval.py
"""

from collections.abc import Iterator
from typing import Any, Literal

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt
from typing_extensions import TypedDict

from omni_router import Decision, Services, Settings, build_graph, user_message
from omni_router.run_result import RunResult

SURE = 0.8  # below this confidence of the router a person decides

services = Services.from_environment()
omni = build_graph(services).compile()


class Case(TypedDict, total=False):
    """What is asked, proposed and answered."""

    question: str
    route: str | None  # a person's: review -> propose
    decision: Decision  # propose -> review, answer
    doubts: list[str]  # propose -> review
    answer: str


def propose(case: Case) -> Command[Literal["review", "__end__"]]:
    """Have it decided who would answer, without asking them."""
    only_route = Settings(skip_specialists=True, route=case.get("route"))
    result = omni.invoke({"messages": [user_message(case["question"])]}, context=only_route)
    if result["error"]:
        return Command(goto=END, update={"answer": result["messages"][-1].text})
    decision: Decision = result["decision"]
    return Command(goto="review", update={"decision": decision, "doubts": [*doubts_about(decision)]})


def doubts_about(decision: Decision) -> Iterator[str]:
    """Return what a person should know: how sure the router is, and the price in the catalog."""
    sure, task = decision["confidence"], str(decision["task"])
    if sure is not None and sure < SURE:
        yield f"the router is only {sure:.0%} sure"
    for model in services.catalog.models([task])[task]:
        prices = [offer.output_price for offer in model.entries if offer.output_price is not None]
        if model.id == decision["model"] and prices:
            yield f"{model.id} costs up to ${max(prices):.2f} for a million tokens"


def review(case: Case) -> Command[Literal["propose", "answer", "__end__"]]:
    """Wait for a person's verdict, if there is anything to doubt: approve, refuse, or the name of another route."""
    if not case["doubts"]:
        return Command(goto="answer")
    verdict = interrupt({"route": case["decision"]["route"], "doubts": case["doubts"]})
    if verdict == "approve":
        return Command(goto="answer")
    if verdict == "refuse":
        return Command(goto=END, update={"answer": "(refused: no model was called)"})
    return Command(goto="propose", update={"route": verdict})  # another model may cost something else: ask again


def answer(case: Case) -> Case:
    """Act on the decision as it was approved: this route and this model, and no other."""
    decision = case["decision"]
    model = decision["model"] if decision["provider"] is None else f"{decision['model']}:{decision['provider']}"
    approved = Settings(route=decision["route"], model=model)
    state = omni.invoke({"messages": [user_message(case["question"])]}, context=approved)
    return {"answer": RunResult.from_state(state).text(state)}


graph = StateGraph(Case)
graph.add_node("propose", propose)
graph.add_node("review", review)
graph.add_node("answer", answer)
graph.add_edge(START, "propose")
graph.add_edge("answer", END)
desk = graph.compile(checkpointer=InMemorySaver())

VERDICTS: dict[str, list[str]] = {
    "Paint a red fox in the snow": [],  # sure, and no price is known: nobody is asked
    "How do tides work?": ["approve"],
    "Rain in Rome, three lines": ["creative_writing", "approve"],  # taken for a picture
    "Make up a story about a very expensive pirate": ["refuse"],
}

for number, (question, verdicts) in enumerate(VERDICTS.items()):
    print(f"> {question}")
    thread: Any = {"configurable": {"thread_id": str(number)}}
    result = desk.invoke({"question": question}, thread)
    for verdict in verdicts:
        asked = result["__interrupt__"][0].value
        print(f"  {asked['route']}? {'; '.join(asked['doubts'])}. The person says: {verdict}")
        result = desk.invoke(Command(resume=verdict), thread)
    print(f"  {result['answer']}")
