from collections.abc import AsyncIterator

import httpx
import pytest
from shop import create_app
from shop.rates import Rates
from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def exchange(request: httpx.Request) -> httpx.Response:
    known = request.url.params["symbols"] == "USD"
    return httpx.Response(200, json={"rates": {"USD": 1.085}}) if known else httpx.Response(404)


@pytest.fixture
async def shop() -> AsyncIterator[httpx.AsyncClient]:
    engine = create_engine(
        "sqlite://", connect_args={"check_same_thread": False}, poolclass=StaticPool
    )
    with httpx.Client(base_url="http://rates", transport=httpx.MockTransport(exchange)) as rates:
        transport = httpx.ASGITransport(create_app(engine, Rates(rates)))
        async with httpx.AsyncClient(base_url="http://shop", transport=transport) as client:
            await client.post("/products", json={"name": "tea", "price": 450, "stock": 10})
            await client.post("/products", json={"name": "cup", "price": 1200, "stock": 1})
            yield client
    engine.dispose()


async def order(shop: httpx.AsyncClient, products: dict[str, int]) -> httpx.Response:
    return await shop.post("/orders", json={"customer": "Ada", "products": products})


async def stock(shop: httpx.AsyncClient) -> dict[str, int]:
    return {product["name"]: product["stock"] for product in (await shop.get("/products")).json()}


async def test_an_order_takes_from_stock(shop):
    placed = await order(shop, {"1": 2, "2": 1})
    assert placed.status_code == 201
    assert placed.json()["total"] == 2 * 450 + 1200
    assert await stock(shop) == {"cup": 0, "tea": 8}
    assert (await shop.get("/orders/1")).json() == placed.json()


async def test_all_lines_or_none(shop):
    refused = await order(shop, {"1": 2, "2": 2})
    assert (refused.status_code, refused.json()["detail"]) == (409, "Only 1 of cup are left.")
    assert await stock(shop) == {"cup": 1, "tea": 10}


async def test_cancelling_gives_back_once(shop):
    await order(shop, {"1": 3})
    assert (await shop.post("/orders/1/cancel")).json()["cancelled"] is True
    assert (await shop.post("/orders/1/cancel")).status_code == 409
    assert await stock(shop) == {"cup": 1, "tea": 10}


async def test_a_total_in_another_currency(shop):
    await order(shop, {"1": 1})
    assert (await shop.get("/orders/1/total")).json() == 450
    assert (await shop.get("/orders/1/total?currency=USD")).json() == 488
    assert (await shop.get("/orders/1/total?currency=XXX")).status_code == 422


@pytest.mark.parametrize(("products", "status"), [({}, 422), ({"1": 0}, 422), ({"9": 1}, 409)])
async def test_what_cannot_be_ordered(shop, products, status):
    assert (await order(shop, products)).status_code == status


async def test_an_unknown_order(shop):
    assert (await shop.get("/orders/7")).status_code == 404
