"""Protects applications: answers preflights, and puts the decided headers on every answer.

`.site` is for resources of Twisted, `.wsgi` for Django, Flask and their like, `.asgi` for Starlette, FastAPI and
theirs. The last two do without Twisted.
"""
