"""Chats with language models at four vendors, and the adapter of LLM_INTERACTION."""
