"""Placing and cancelling orders: stock is taken and given back, all lines or none."""

from collections.abc import Mapping

from sqlalchemy.orm import Session

from shop.models import Line, Order, Product


class OrderError(Exception):
    """The order cannot be placed or cancelled; the text is for the customer."""


def place(session: Session, customer: str, wanted: Mapping[int, int]) -> Order:
    """Order ``wanted`` (product number → quantity) at today's prices."""
    order = Order(customer=customer)
    for product_id, quantity in wanted.items():
        product = session.get(Product, product_id, with_for_update=True)
        if product is None:
            raise OrderError(f"There is no product {product_id}.")
        if product.stock < quantity:
            raise OrderError(f"Only {product.stock} of {product.name} are left.")
        product.stock -= quantity
        order.lines.append(Line(product=product, quantity=quantity, price=product.price))
    session.add(order)
    session.commit()
    return order


def cancel(session: Session, order: Order) -> None:
    """Cancel ``order`` and put what it took back into stock."""
    if order.cancelled:
        raise OrderError(f"Order {order.id} is cancelled already.")
    for line in order.lines:
        line.product.stock += line.quantity
    order.cancelled = True
    session.commit()
