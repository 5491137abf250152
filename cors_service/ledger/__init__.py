"""The ledger: every change of policies, in a gapless chain that shows when somebody tampered with it.

* `entry` has the values, `edits` what somebody wants to change; `chain` checks whether a ledger is whole. All are pure.
* `written` checks what a store holds against the entries, and finds what to put back.
* `interfaces` says what a store of policies with a ledger is; `directory` has one: documents, with the ledger beside.
* `source` says what replicas read of a store, and `memory` has one; `urls` finds the store that a URL names.
* `editing` writes a change into a document and keeps its comments; `files` makes a change in one step.

Nothing here imports Twisted.
"""
