"""The REST gateway: one door for every client backend."""
