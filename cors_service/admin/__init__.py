"""The admin process: changes of policies over HTTP, their ledger, and which replicas have them.

* `tree` is the resource tree. `desk` is what its resources have in common; `endpoint` is what each of them is made of:
  who may ask, and that no page of another origin can.
* `changes` makes changes of a store, one after the other; `making` is what a change goes through.
* `replicas` knows what replicas report, `proposals` what waits for a second person, `audit` writes down who did what.
"""
