"""How good a router is on requests whose route is known: `omni-router eval`. LangGraph is not needed."""
