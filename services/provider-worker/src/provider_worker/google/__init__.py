"""The adapter of Google's Gemini models: the Gemini API, Vertex AI and Vertex express."""
