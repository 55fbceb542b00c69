"""What services tell each other."""

from attrs import frozen
from platform_money import shown


@frozen
class Paid:
    order: int
    cents: int

    def __str__(self) -> str:
        return f"order {self.order}: {shown(self.cents)}"
