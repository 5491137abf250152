// An application that does CORS wrong, on purpose; see tests/e2e/frameworks/__init__.py for what it answers.
import express from "express";
import { corsDecision } from "./cors-decision.js";

const OWN_HEADERS = {
  "Access-Control-Allow-Origin": "*",
  "Access-Control-Allow-Credentials": "true",
  "Access-Control-Allow-Methods": "*, TRACE",
  "Access-Control-Allow-Headers": "*, x-application",
  "Access-Control-Allow-Private-Network": "true",
  "Access-Control-Expose-Headers": "*",
  "Access-Control-Max-Age": "86400",
  "Cross-Origin-Resource-Policy": "cross-origin",
  Vary: "Accept-Encoding",
  "X-Application": "7",
};

let count = 0;
const told = (req) =>
  JSON.stringify({
    count: ++count,
    method: req.method,
    target: req.originalUrl,
    headers: req.headersDistinct,
    body: Buffer.isBuffer(req.body) ? req.body.toString("latin1") : "",
  });

const app = express();

// Blocks the process for longer than a decision may take, once the question about this request is on its way.
const block = () => {
  const end = Date.now() + 500;
  while (Date.now() < end);
};
app.use("/catalogue/blocking", (req, res, next) => {
  setImmediate(block);
  next();
});

app.use(corsDecision({ service: process.env.CORS_SERVICE, policy: "catalogue" }));

// Set by themselves and of a piece, in an object and in a list: as Node takes them when the head is written.
app.get("/catalogue/raw", (req, res) => {
  const lines = Object.entries({ "Content-Type": "application/json", ...OWN_HEADERS });
  if (count % 2) res.writeHead(200, "OK", Object.fromEntries(lines));
  else res.writeHead(200, lines.flat());
  res.end(told(req));
});

// As a proxy passes on what it received: with headers of the same name.
app.get("/catalogue/repeated", (req, res) => {
  const vary = ["Vary", "Accept-Encoding", "Vary", "X-Language"];
  res.setHeader("Set-Cookie", "old=1");
  res.writeHead(200, ["Set-Cookie", "a=1", "Set-Cookie", "b=2", ...vary, ...Object.entries(OWN_HEADERS).flat()]);
  res.end(told(req));
});

app.use((req, res, next) => {
  res.set(OWN_HEADERS);
  next();
});
app.get("/catalogue/streamed", (req, res) => {
  const body = told(req);
  res.type("json").write(body.slice(0, 9));
  setImmediate(() => res.write(body.slice(9, 99), () => res.end(body.slice(99))));
});
app.get("/catalogue/status/500", () => {
  throw new Error("This page is broken.");
});
app.get("/catalogue/status/404", (req, res, next) => next());
app.use(express.raw({ type: () => true, limit: "4mb" }), (req, res, next) => {
  if (req.path === "/catalogue/status/404") next();
  else res.type("json").send(told(req));
});

app.listen(Number(process.env.PORT), "127.0.0.1");
