"""The provider worker: calls to fal, Vertex, FASHN, Freepik and LLMs."""
