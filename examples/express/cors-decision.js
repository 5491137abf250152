// CORS as the decision service decides it, for Express. Put it before everything that answers:
//     app.use(corsDecision({ service: "http://127.0.0.1:8080", policy: "catalogue" }));
const ASKED = ["origin", "access-control-request-method", "access-control-request-headers"];
const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
// All headers that a decision can have, as lines.
const LINES = [
  "Access-Control-Allow-Origin: [!-~]+", "Timing-Allow-Origin: [!-~]+(, [!-~]+)*",
  "Access-Control-Allow-Credentials: true",
  `(Access-Control-(Allow-Methods|Allow-Headers|Expose-Headers)|Vary): ${TOKEN}(, ?${TOKEN})*`,
  "Access-Control-Max-Age: [0-9]{1,5}",
  "Cross-Origin-Resource-Policy: (same-site|same-origin|cross-origin)",
];
const LINE = new RegExp(`^(${LINES.join("|")})$`);
// The possible decisions about each kind of request: allowed or not, and the status.
const VERDICTS = {
  preflight: ["[true,200]", "[true,204]", "[false,403]"],
  actual: ["[true,null]", "[false,null]"], "no-origin": ["[null,null]"],
};
const ORIGIN = /^(null|[a-z][a-z0-9+.-]*:\/\/[^/, ]*)$/;

// Throws unless this can be a decision of the service: nothing that answers in its place may grant more.
function check(decision, { policy, origins, preflight }) {
  const kind = preflight ? "preflight" : origins.length > 0 ? "actual" : "no-origin";
  const lines = decision.headers;
  const headers = new Map(lines);
  const own = origins.length === 1 ? origins : [];
  // Credentials need a named origin.
  const named = headers.has("Access-Control-Allow-Credentials") ? own : [...own, "*", undefined];
  const allows = headers.get("Access-Control-Allow-Origin");
  const timing = headers.get("Timing-Allow-Origin") ?? "null";
  // A static policy names its own origin to everybody: the answer does not depend on who asks.
  const isStatic =
    ![...own, "null", undefined].includes(allows) && decision.allowed !== true && ORIGIN.test(allows) &&
    !(headers.get("Vary") ?? "").split(", ").includes("Origin");
  const fits =
    decision.policy === policy && decision.kind === kind && typeof decision.revision === "string" &&
    VERDICTS[kind].includes(JSON.stringify([decision.allowed, decision.status])) &&
    Number.isInteger(decision.ttl) && decision.ttl >= 0 && decision.ttl <= 3600 && // seconds
    headers.size === lines.length && lines.flat().every((part) => typeof part === "string") &&
    lines.every((line) => LINE.test(line.join(": "))) &&
    (named.includes(allows) || isStatic) &&
    ((named.includes(timing) && decision.allowed !== false) || timing.split(", ").every((one) => ORIGIN.test(one))) &&
    (decision.allowed !== false || isStatic || lines.every(([name]) => !name.startsWith("Access-Control-")));
  if (!fits) throw new Error("the answer is not a decision about this request");
}

// Timers come before sockets: where a handler has blocked the process, the answer may have been there for long.
// So the time is counted in eight slices, and a block costs one of them, however long it is.
function patience(milliseconds) {
  const late = new Error(`it did not answer within ${milliseconds} milliseconds`);
  const giving = new AbortController();
  let left = 8;
  const timer = setInterval(() => --left || giving.abort(late), milliseconds / 8);
  return { signal: giving.signal, end: () => clearInterval(timer) };
}

export function corsDecision({ service, policy, timeout = 200, size = 1000 }) {
  const url = new URL("/v1/decision", service);
  const kept = new Map(); // what was asked -> the decision, and until when it holds; the oldest comes first
  let revision, silent = false;

  async function ask(body, asked, signal) {
    const headers = { "content-type": "application/json" };
    const response = await fetch(url, { method: "POST", headers, body, signal, redirect: "error" });
    const decision = await response.json(); // in any case, so that the connection is free for the next question
    if (response.status !== 200) throw new Error(decision.detail);
    check(decision, { policy, ...asked });
    return decision;
  }

  async function decide(body, asked) {
    const now = performance.now();
    const known = kept.get(body);
    if (known && now < known.until) return known.decision;
    const { signal, end } = patience(timeout);
    // A kept-alive connection may have died meanwhile: ask once more, within the same timeout.
    const decision = await ask(body, asked, signal).catch(() => ask(body, asked, signal)).finally(end);
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

  // The first question takes longest, since much is loaded for it: ask before the first client comes.
  ask(JSON.stringify({ policy, method: "GET" }), { origins: [] }, AbortSignal.timeout(5000)).catch(undecided);

  return async (req, res, next) => {
    const headers = Object.fromEntries(ASKED.map((name) => [name, req.headersDistinct[name] ?? []]));
    const preflight = req.method === "OPTIONS" && ASKED.slice(0, 2).every((name) => headers[name].length === 1);
    const body = JSON.stringify({ policy, method: req.method, headers });
    const asked = { origins: headers.origin, preflight };
    const decision = await decide(body, asked).catch((error) => undecided(error, preflight));
    const { writeHead } = res; // the head of every answer of the application passes here
    res.writeHead = (status, ...rest) => {
      const reason = typeof rest[0] === "string" ? [rest.shift()] : [];
      const own = rest.find((value) => value) ?? {};
      // Node takes an object, or a list of names and values in turn, in which a name may come again.
      if (Array.isArray(own)) {
        for (let i = 0; i < own.length; i += 2) res.removeHeader(own[i]);
        for (let i = 0; i < own.length; i += 2) res.appendHeader(own[i], own[i + 1]);
      } else for (const name in own) res.setHeader(name, own[name]);
      for (const name of res.getHeaderNames()) if (name.startsWith("access-control-")) res.removeHeader(name);
      for (const [name, value] of decision.headers) {
        if (name.toLowerCase() === "vary") res.vary(value);
        else res.setHeader(name, value);
      }
      return writeHead.call(res, status, ...reason);
    };
    return decision.status === null ? next() : res.status(decision.status).end();
  };
}
