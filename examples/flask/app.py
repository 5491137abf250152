"""A catalogue; `python app.py` starts it."""

import os

import waitress
from cors_decision import CorsDecision
from flask import Flask, request

app = Flask(__name__)
app.wsgi_app = CorsDecision(app.wsgi_app, os.environ.get("CORS_SERVICE", "http://127.0.0.1:8080"), policy="catalogue")


@app.get("/catalogue/<number>")
def article(number):
    return {"id": number, "price": 3}


@app.put("/catalogue/<number>")
def change(number):
    return {**request.get_json(), "id": number}


if __name__ == "__main__":
    waitress.serve(app, listen=f"127.0.0.1:{os.environ.get('PORT', '3000')}")
