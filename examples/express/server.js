import express from "express";
import { corsDecision } from "./cors-decision.js";

const app = express();
app.use(corsDecision({ service: process.env.CORS_SERVICE ?? "http://127.0.0.1:8080", policy: "catalogue" }));

app.get("/catalogue/:id", (req, res) => res.json({ id: req.params.id, price: 3 }));
app.put("/catalogue/:id", express.json(), (req, res) => res.json({ id: req.params.id, ...req.body }));

app.listen(Number(process.env.PORT ?? 3000), "127.0.0.1");
