// Measures what express `cors` costs: the cases on standard input, the figures on standard output, both as JSON.
// ../../foreign.py writes the one, reads the other, and says what is in them.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import cors from 'cors';

// What the middleware asks of a response, and no more.
class Response {
  statusCode = 200;
  headers = {};

  getHeader(name) {
    return this.headers[name.toLowerCase()];
  }

  setHeader(name, value) {
    this.headers[name.toLowerCase()] = value;
  }

  end() {}
}

// What comes behind the middleware.
function next() {}

function made(policy) {
  return cors({
    origin: policy.origins,
    methods: policy.methods,
    allowedHeaders: policy.request_headers,
    exposedHeaders: policy.expose_headers,
    credentials: true,
    maxAge: policy.max_age,
  });
}

function answer(middleware, request) {
  const response = new Response();
  middleware(request, response, next);
  return response.headers['access-control-allow-origin'] || null;
}

// Microseconds of the processor, this process's collector included.
function cost(middleware, requests, calls) {
  const before = process.cpuUsage();
  for (let done = 0; done < calls; done += 1) {
    middleware(requests[done % requests.length], new Response(), next);
  }
  const spent = process.cpuUsage(before);
  return (spent.user + spent.system) / calls;
}

// Enough calls to last for so many microseconds; what they take teaches the compiler, too.
function enough(middleware, requests, wanted) {
  let calls = requests.length;
  for (;;) {
    const each = cost(middleware, requests, calls);
    if (each * calls > wanted / 4) {
      return Math.ceil(wanted / each);
    }
    calls *= 2;
  }
}

const { microseconds, policies, cases } = JSON.parse(readFileSync(0, 'utf8'));
const middlewares = policies.map(made);
const results = cases.map(({ policy, requests }) => {
  const middleware = middlewares[policy];
  const answers = requests.map((request) => answer(middleware, request));
  const calls = enough(middleware, requests, microseconds);
  return { answers, microseconds: cost(middleware, requests, calls) };
});
const { version } = createRequire(import.meta.url)('cors/package.json');
console.log(JSON.stringify({ runtime: `Node ${process.versions.node}`, peers: { 'express cors': { version, results } } }));
