"""Ordinary messages get an answer from the default policy with the embedded router, which abstains on many of them."""

from dataclasses import replace
from typing import Any

import pytest

from omni_router import Services, Settings, build_graph
from omni_router.routers.semantic.router import SemanticRouter
from tests.support.calls import Compiled, ask

MESSAGES = """
yes
no
ok
test
hi
hello?
thanks
hm
please help
I need help
continue
go on
why?
and then?
What can you do?
Are you there?
What's the weather in Berlin today?
Will it rain tomorrow?
What time is it?
What day is it today?
Turn off the lights
Set an alarm for 7 am
Remind me to call mum
Play some jazz
Order a pizza
Book a table for two
Plan a 3-day trip to Kyoto
Find me a cheap flight to Lisbon
What should I cook tonight?
Give me a recipe for pancakes
Recommend a good book
Which laptop should I buy?
Who won the game last night?
What's the stock price of Apple?
Convert 5 miles to km
How many calories are in an apple?
I have a headache, what should I do?
How do I fix a leaking tap?
Where is my order?
Cancel my subscription
What's my account balance?
Open the garage door
Call a taxi
Send an email to Tom
Read me the news
Tell me something interesting
Make a to-do list for moving house
Help me prepare for an interview
What's a good name for a cat?
How do I get to the airport?
asdf
""".strip().splitlines()

TOOL: dict[str, Any] = {"type": "function", "function": {"name": "act", "parameters": {"type": "object"}}}


@pytest.fixture
def graph(services: Services, semantic: SemanticRouter) -> Compiled:
    return build_graph(replace(services, router=semantic)).compile()


def refused(graph: Compiled, **settings: Any) -> list[str]:
    routing = Settings(skip_specialists=True, **settings)
    return [text for text in MESSAGES if graph.invoke(ask(text), context=routing)["decision"]["model"] is None]


def test_the_default_policy_answers_them(graph: Compiled) -> None:
    assert len(MESSAGES) == 51
    assert refused(graph) == []


def test_without_a_fallback_many_are_refused_but_none_with_tools(graph: Compiled) -> None:
    assert len(refused(graph, fallback_route="none")) > 10
    assert refused(graph, fallback_route="none", tools=(TOOL,)) == []
