// Express with a defect for each first segment of the path.
"use strict";

const express = require("express");

const PAGE = process.env.PAGE;

const isPage = (origin) => origin === PAGE;
const names = {
  "Access-Control-Allow-Methods": "GET, PUT, DELETE",
  "Access-Control-Allow-Headers": "Content-Type, Authorization",
};
const granted = (origin, more) => ({ "Access-Control-Allow-Origin": origin, ...names, ...more });
const listed = (more) => (origin) => (isPage(origin) ? granted(origin, more) : {});

// From the origin that asks to the headers of the answer.
const DEFECTS = {
  healthy: listed({ "Access-Control-Allow-Credentials": "true", "Access-Control-Max-Age": "600" }),
  "any-origin": () => granted("*", { "Access-Control-Allow-Headers": "*" }),
  "header-missing": listed(),
  "list-malformed": listed({ "Access-Control-Allow-Headers": "Content-Type; Authorization" }),
  "authorization-by-wildcard": listed({ "Access-Control-Allow-Headers": "*" }),
  "max-age-malformed": listed({ "Access-Control-Max-Age": "10 minutes" }),
  "headers-on-refusal": (origin) => (isPage(origin) ? granted(origin) : names),
  "near-miss-allowed": (origin) => (origin?.includes("//app.localhost") ? granted(origin) : {}),
  "acac-not-true": listed({ "Access-Control-Allow-Credentials": "1" }),
  "origin-reflected": (origin) => (origin ? granted(origin, { "Access-Control-Allow-Credentials": "true" }) : {}),
  "wildcard-methods": listed({
    "Access-Control-Allow-Credentials": "true",
    "Access-Control-Allow-Methods": "*",
  }),
};

const app = express();
app.use("/:name", (request, response, next) => {
  response.vary("Origin");
  response.set(DEFECTS[request.params.name](request.get("Origin")));
  if (request.method === "OPTIONS") response.status(204).end();
  else next();
});
app.all("/:name/x", (request, response) => response.json({}));
app.listen(Number(process.env.PORT), "127.0.0.1");
