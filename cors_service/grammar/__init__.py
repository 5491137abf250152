"""The words of documents and requests as values: tokens, origins, patterns, `match` prefixes; and mistakes in them.

Pure: nothing here imports Twisted, reads a clock, opens a policy file or logs.
"""
