"""Policies in etcd: what replicas read and what the admin process writes, by etcd's JSON gateway.

* `address` reads the URL of a store; `gateway` asks one `member`, and the next one when that does not answer; `answers`
  has what etcd answers, and `refusals` what its errors mean.
* `keys` says where everything lies; `reading` reads it, all at one revision of etcd.
* `source` is the store as replicas read it, with the `watch` of its head; `store` is the one that is written, and
  `writing` makes its changes; `preparing` does what `cors-service store init` asks for.

Nothing here imports Twisted, nor a client library: there is none that is alive and does without gRPC.
"""

from cors_service.etcd.preparing import prepare_store as prepare_store
from cors_service.etcd.source import EtcdSource as EtcdSource
from cors_service.etcd.store import EtcdStore as EtcdStore
