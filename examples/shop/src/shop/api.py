"""The shop over HTTP."""

from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from pydantic import BaseModel, Field
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from shop import orders
from shop.models import Base, Order, Product
from shop.rates import Rates

router = APIRouter()


class NewProduct(BaseModel):
    name: str = Field(min_length=1)
    price: int = Field(gt=0, description="cents")
    stock: int = Field(ge=0)


class ProductOut(NewProduct, from_attributes=True):
    id: int


class NewOrder(BaseModel):
    customer: str = Field(min_length=1)
    products: dict[int, Annotated[int, Field(gt=0)]] = Field(min_length=1)


class OrderOut(BaseModel, from_attributes=True):
    id: int
    customer: str
    cancelled: bool
    total: int


def create_app(engine: Engine, rates: Rates) -> FastAPI:
    """The application over a database (its tables are made) and a source of exchange rates."""
    Base.metadata.create_all(engine)
    app = FastAPI(title="shop")
    app.state.engine, app.state.rates = engine, rates
    app.include_router(router)
    return app


def session(request: Request) -> Iterator[Session]:
    with Session(request.app.state.engine) as opened:
        yield opened


Database = Annotated[Session, Depends(session)]


def find_order(number: int, database: Database) -> Order:
    if (order := database.get(Order, number)) is None:
        raise HTTPException(404, f"There is no order {number}.")
    return order


Found = Annotated[Order, Depends(find_order)]


@router.get("/products", response_model=list[ProductOut])
def products(database: Database):
    return database.scalars(select(Product).order_by(Product.name)).all()


@router.post("/products", response_model=ProductOut, status_code=201)
def add_product(new: NewProduct, database: Database):
    product = Product(**new.model_dump())
    database.add(product)
    database.commit()
    return product


@router.post("/orders", response_model=OrderOut, status_code=201)
def place_order(new: NewOrder, database: Database):
    try:
        return orders.place(database, new.customer, new.products)
    except orders.OrderError as error:
        raise HTTPException(409, str(error)) from error


@router.get("/orders/{number}", response_model=OrderOut)
def show_order(order: Found):
    return order


@router.post("/orders/{number}/cancel", response_model=OrderOut)
def cancel_order(order: Found, database: Database):
    try:
        orders.cancel(database, order)
    except orders.OrderError as error:
        raise HTTPException(409, str(error)) from error
    return order


@router.get("/orders/{number}/total")
def total(order: Found, request: Request, currency: str = "EUR") -> int:
    try:
        return request.app.state.rates.convert(order.total, currency)
    except LookupError as error:
        raise HTTPException(422, f"{currency} is no currency we know.") from error
