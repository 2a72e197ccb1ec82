"""The graph inside LangChain agents: as their chat model, or as one of their tools."""
