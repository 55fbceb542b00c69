"""Amounts in cents, so that nothing is lost in fractions."""


def shown(cents: int, currency: str = "EUR") -> str:
    return f"{cents // 100}.{cents % 100:02} {currency}"
