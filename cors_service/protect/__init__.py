"""Protects applications: answers preflights, and puts the decided headers on every answer.

`.site` is for resources of Twisted, `.wsgi` for Django, Flask and the like, `.asgi` for Starlette, FastAPI and the
like. The last two need no Twisted.
"""
