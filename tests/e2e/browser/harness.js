// Runs in pages, frames and workers: makes requests, and says what a script gets to see of the answers.
"use strict";

const SOURCE = self.document ? document.querySelector("script").textContent : "";
const DOCUMENT = `<script>${SOURCE}<\/script>`;

async function attempt({ url, method, headers, credentials }) {
  if (url.startsWith("ws:")) return { read: await opens(url) };
  try {
    const signal = AbortSignal.timeout(20000);
    const answer = await fetch(url, { method, headers, credentials, signal });
    const body = await answer.text();
    return { read: true, status: answer.status, names: [...answer.headers.keys()], body, type: answer.type };
  } catch (error) {
    return { read: false, error: String(error) };
  }
}

// Four at a time: a redirected request holds its connection while its next preflight waits for another one, and
// there are six to a host.
async function attemptAll(requests) {
  const results = [];
  const waiting = requests.entries();
  const lane = async () => {
    for (const [index, request] of waiting) results[index] = await attempt(request);
  };
  await Promise.all([lane(), lane(), lane(), lane()]);
  return results;
}

// Whether a page gets a WebSocket.
function opens(url) {
  const socket = new WebSocket(url);
  return new Promise((resolve) => {
    socket.addEventListener("open", () => resolve(true));
    socket.addEventListener("error", () => resolve(false));
  });
}

// Whether a page may use an answer that it can't read.
const embeds = (url) => fetch(url, { mode: "no-cors" }).then(() => true, () => false);

// Whether a page gets to know how long an answer took; null if it does not get the answer.
async function measures(url) {
  if (!(await attempt({ url, method: "GET", headers: [], credentials: "omit" })).read) return null;
  return performance.getEntriesByName(url)[0].requestStart > 0;
}

// Whether a page gets to know how long an image took, which it asks for without an Origin.
function measuresImage(url) {
  const image = new Image();
  const measured = new Promise((resolve) => {
    image.addEventListener("load", () => resolve(performance.getEntriesByName(url)[0].requestStart > 0));
    image.addEventListener("error", () => resolve(null));
  });
  image.src = url;
  document.body.append(image);
  return measured;
}

// Where requests come from. Sandboxed frames and those of data: URLs have the origin `null`.
const CONTEXTS = {
  sandbox: () => frame({ sandbox: "allow-scripts", srcdoc: DOCUMENT }),
  "sandbox-same-origin": () =>
    frame({ sandbox: "allow-scripts allow-same-origin", srcdoc: DOCUMENT }),
  data: () => frame({ src: `data:text/html,${encodeURIComponent(DOCUMENT)}` }),
  srcdoc: () => frame({ srcdoc: DOCUMENT }),
  blob: () => frame({ src: URL.createObjectURL(new Blob([DOCUMENT], { type: "text/html" })) }),
  worker: async () => new Worker(URL.createObjectURL(new Blob([SOURCE]))),
};

function frame(attributes) {
  const element = document.createElement("iframe");
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return new Promise((resolve) => {
    element.addEventListener("load", () => resolve(element.contentWindow));
    document.body.append(element);
  });
}

// For the driver: makes the requests in a context.
async function attemptAllIn(context, requests) {
  if (context === "page") return attemptAll(requests);
  const target = await CONTEXTS[context]();
  const { port1, port2 } = new MessageChannel();
  const results = new Promise((resolve) => port1.addEventListener("message", ({ data }) => resolve(data)));
  port1.start();
  if (target instanceof Worker) target.postMessage(requests, [port2]);
  else target.postMessage(requests, "*", [port2]);
  return results;
}

self.addEventListener("message", async ({ data, ports }) => ports[0].postMessage(await attemptAll(data)));
