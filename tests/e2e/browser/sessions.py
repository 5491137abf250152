"""Sessions of real browsers, recorded as HAR: what the developer tools export, out of the events that they show."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from websockets.sync.client import connect

from .connecting import Connection, connected_to_firefox
from .processes import running

Entry = dict[str, Any]

_SWITCHES: Final = (
    "--headless",
    "--no-sandbox",  # which Chromium can't set up in containers
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP *.localhost 127.0.0.1",
    "--remote-debugging-port=0",
)
_EVENTS: Final = ["network.beforeRequestSent", "network.responseCompleted", "network.fetchError"]


def recorded_by_chromium(chromium: str, directory: Path, pages: list[tuple[str, str]]) -> tuple[Any, bytes]:
    """Let Chromium open pages and run a script in each; give what the last one gave, and the recording."""
    (profile := directory / "profile").mkdir()
    home = {name: str(directory) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "TMPDIR")}
    arguments = [chromium, *_SWITCHES, f"--user-data-dir={profile}", "about:blank"]
    with running(arguments, directory / "chromium.log", home) as browser:
        address = browser.said(r"DevTools listening on (ws://\S+)")[1]
        with connect(address, max_size=None, proxy=None, ping_interval=None) as socket:
            tools = Connection(socket)
            target = tools.ask("Target.createTarget", url="about:blank")["targetId"]
            session = tools.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            tools.ask("Network.enable", session=session)
            tools.ask("Page.enable", session=session)
            result = None
            for url, script in pages:
                tools.ask("Page.navigate", session=session, url=url)
                while not any(name == "Page.loadEventFired" for name, _ in tools.events):
                    tools.ask("Runtime.evaluate", session=session, expression="1")
                tools.events = [event for event in tools.events if event[0] != "Page.loadEventFired"]
                evaluated = tools.ask(
                    "Runtime.evaluate", session=session, expression=script, awaitPromise=True, returnByValue=True
                )
                result = evaluated["result"].get("value")
            tools.ask("Runtime.evaluate", session=session, expression="1")
            return result, _har([*_entries_of_chromium(tools.events)])


def recorded_by_firefox(firefox: str, directory: Path, pages: list[tuple[str, str]]) -> tuple[Any, bytes]:
    """Let Firefox do the same."""
    with connected_to_firefox(firefox, directory) as tools:
        tools.ask("session.new", capabilities={})
        context = tools.ask("browsingContext.getTree")["contexts"][0]["context"]
        tools.ask("session.subscribe", events=_EVENTS)
        result = None
        for url, script in pages:
            tools.ask("browsingContext.navigate", context=context, url=url, wait="complete")
            expression = f"Promise.resolve({script}).then(JSON.stringify)"
            target = {"context": context}
            evaluated = tools.ask("script.evaluate", expression=expression, target=target, awaitPromise=True)
            result = json.loads(evaluated["result"].get("value", "null"))
        tools.ask("session.status")
        return result, _har([*_entries_of_firefox(tools.events)])


def _har(entries: list[Entry]) -> bytes:
    return json.dumps({"log": {"version": "1.2", "creator": {"name": "tests"}, "entries": entries}}).encode()


def _entries_of_chromium(events: list[tuple[str, dict[str, Any]]]) -> Iterator[Entry]:
    """Make entries as Chromium's developer tools do: headers as they were on the wire, where that is known."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for name, told in events:
        if "requestId" in told:
            found.setdefault(told["requestId"], {})[name.partition(".")[2]] = told
    for told in found.values():
        if "requestWillBeSent" not in told:
            continue
        request = told["requestWillBeSent"]["request"]
        sent = told.get("requestWillBeSentExtraInfo", request)["headers"]
        answer = told["responseReceived"]["response"] if "responseReceived" in told else {"status": 0, "headers": {}}
        # Where the cache answered after a 304, the answer is the stored one.
        on_the_wire = told.get("responseReceivedExtraInfo", {}) if answer["status"] else {}
        received = on_the_wire.get("headers", answer["headers"])
        body = {"postData": {"text": request["postData"]}} if "postData" in request else {}
        yield {
            "_resourceType": told["requestWillBeSent"].get("type", "").lower(),
            "request": {"method": request["method"], "url": request["url"], "headers": _lines(sent), **body},
            "response": {"status": on_the_wire.get("statusCode", answer["status"]), "headers": _lines(received)},
        }


def _lines(headers: Mapping[str, str]) -> list[Entry]:
    return [{"name": name, "value": value} for name, value in headers.items()]


def _entries_of_firefox(events: list[tuple[str, dict[str, Any]]]) -> Iterator[Entry]:
    for name, told in events:
        if name not in _EVENTS[1:]:
            continue
        request, answer = told["request"], told.get("response", {"status": 0, "headers": []})
        yield {
            "request": {"method": request["method"], "url": request["url"], "headers": _values(request["headers"])},
            "response": {"status": answer["status"], "headers": _values(answer["headers"])},
        }


def _values(headers: list[dict[str, Any]]) -> list[Entry]:
    return [{"name": header["name"], "value": header["value"]["value"]} for header in headers]
