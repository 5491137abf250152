// CORS as the decision service decides it, for Express. Put it in front of all that answers:
//     app.use(corsDecision({ service: "http://127.0.0.1:8080", policy: "catalogue" }));
const ASKED = ["origin", "access-control-request-method", "access-control-request-headers"];

export function corsDecision({ service, policy, timeout = 200, size = 1000 }) {
  const url = new URL("/v1/decision", service);
  const kept = new Map(); // what was asked -> the decision, and until when it holds; the oldest comes first
  let revision;
  let silent = false;

  async function ask(body, signal) {
    const headers = { "content-type": "application/json" };
    const response = await fetch(url, { method: "POST", headers, body, signal, redirect: "error" });
    const decision = await response.json(); // always: it makes the connection free for the next question
    if (response.status !== 200) throw new Error(decision.detail);
    new Headers([...decision.headers]); // throws unless they are lines of headers
    return decision;
  }

  async function decide(body) {
    const now = performance.now();
    const known = kept.get(body);
    if (known && now < known.until) return known.decision;
    const signal = AbortSignal.timeout(timeout);
    // A connection that was kept open may have died meanwhile: once more, in the same time.
    const decision = await ask(body, signal).catch(() => ask(body, signal));
    if (decision.revision !== revision) kept.clear(); // the policies have changed
    revision = decision.revision;
    kept.delete(body);
    if (kept.size >= size) kept.delete(kept.keys().next().value);
    if (body.length < 1000) kept.set(body, { decision, until: now + decision.ttl * 1000 });
    silent = false;
    return decision;
  }

  // No decision: no access, and never no site.
  function undecided(error, preflight) {
    if (!silent) console.error("The decision service can't be asked:", error.cause ?? error);
    silent = true;
    return { status: preflight ? 403 : null, headers: [["Vary", preflight ? ASKED.join(", ") : "Origin"]] };
  }

  // The first question takes longest, since much is loaded for it: let that be no client's.
  ask(JSON.stringify({ policy, method: "GET" }), AbortSignal.timeout(5000)).catch(undecided);

  return async (req, res, next) => {
    const headers = Object.fromEntries(ASKED.map((name) => [name, req.headersDistinct[name] ?? []]));
    const preflight = req.method === "OPTIONS" && ASKED.slice(0, 2).every((name) => headers[name].length === 1);
    const body = JSON.stringify({ policy, method: req.method, headers });
    const decision = await decide(body).catch((error) => undecided(error, preflight));
    const { writeHead } = res; // whatever the application answers with, its head passes here
    res.writeHead = (status, ...rest) => {
      const reason = typeof rest[0] === "string" ? [rest.shift()] : [];
      const own = rest.find((value) => value) ?? {};
      // Node takes an object, or a list of names and values in turn.
      if (Array.isArray(own)) for (let i = 0; i < own.length; i += 2) res.setHeader(own[i], own[i + 1]);
      else for (const name in own) res.setHeader(name, own[name]);
      for (const name of res.getHeaderNames()) if (name.startsWith("access-control-")) res.removeHeader(name);
      for (const [name, value] of decision.headers) {
        if (name.toLowerCase() === "vary") res.vary(value);
        else res.setHeader(name, value);
      }
      return writeHead.call(res, status, ...reason);
    };
    if (decision.status === null) next();
    else res.status(decision.status).end();
  };
}
