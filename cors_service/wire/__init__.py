"""Queries and decisions as JSON and as query strings: what servers and clients have in common.

* `json_text` is JSON itself, which is read strictly.
* `queries` reads and writes what is asked.
* `answers` writes a decision, or an error in its place.
* `received` reads these, as a client does: whoever answers can do no more than the service.
"""
