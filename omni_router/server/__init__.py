"""The routes mounted into the LangGraph server: health, MCP, A2A. Thin layers over the one graph."""
