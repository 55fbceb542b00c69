"""``shop``: serve on http://127.0.0.1:8000, with ``shop.sqlite`` in the working directory."""

import httpx
import uvicorn
from sqlalchemy import create_engine

from shop.api import create_app
from shop.rates import Rates


def main() -> None:
    engine = create_engine("sqlite:///shop.sqlite")
    with httpx.Client(base_url="https://api.frankfurter.dev/v1", timeout=5) as client:
        uvicorn.run(create_app(engine, Rates(client)))
