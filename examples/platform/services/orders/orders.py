from platform_events import Paid
from pydantic import VERSION, BaseModel


class Order(BaseModel):
    number: int
    cents: int


order = Order.parse_obj({"number": "7", "cents": 1250})
print(f"{Paid(order.number, order.cents)} (pydantic {VERSION.partition('.')[0]})")
