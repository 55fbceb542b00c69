from platform_events import Paid
from pydantic import VERSION, BaseModel


class Invoice(BaseModel):
    order: int
    cents: int


invoice = Invoice.model_validate({"order": "7", "cents": 1250})
print(f"{Paid(invoice.order, invoice.cents)} (pydantic {VERSION.partition('.')[0]})")
