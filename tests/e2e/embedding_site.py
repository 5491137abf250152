"""A site of Twisted's own with nothing but the resource tree in it: `python embedding_site.py POLICIES`."""

from __future__ import annotations

import sys
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.endpoints import serverFromString
from twisted.logger import Logger, globalLogBeginner, textFileLogObserver
from twisted.web.server import Site

from cors_service.store import FilePolicyStore, LivePolicies
from cors_service.web import decision_resource

globalLogBeginner.beginLoggingTo([textFileLogObserver(sys.stdout)])
tree = decision_resource(FilePolicyStore(Path(sys.argv[1]), reactor))
assert isinstance(tree.policies, LivePolicies)
endpoint = serverFromString(reactor, "tcp:0:interface=127.0.0.1")
# Before its policies are there, a site has nothing to say.
listening = tree.policies.reload().addCallback(lambda _: endpoint.listen(Site(tree)))
listening.addCallback(lambda port: Logger().info("Listening on {address}", address=port.getHost()))
reactor.run()
