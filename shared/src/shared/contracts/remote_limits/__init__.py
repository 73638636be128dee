"""Limits of the remote services, for checks at creation (gateway) and of mapped values (workflows).

Whatever a service cannot do is refused before anything is sent and paid for. Pure.
"""
