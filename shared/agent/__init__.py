"""The LangGraph agent: graph, prompt, history, memory and middleware."""
