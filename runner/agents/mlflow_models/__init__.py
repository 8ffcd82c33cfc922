"""Agents that are models in MLflow: ResponsesAgent, ChatAgent, ChatModel, and any pyfunc that takes messages."""
