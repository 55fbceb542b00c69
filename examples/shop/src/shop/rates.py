"""Exchange rates from a public service."""

from decimal import Decimal

import httpx


class Rates:
    """Rates of the euro, asked over ``client`` (its base address is the service's)."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def convert(self, cents: int, currency: str) -> int:
        """``cents`` of a euro in hundredths of ``currency``; LookupError where it is unknown."""
        if currency == "EUR":
            return cents
        answer = self._client.get("/latest", params={"base": "EUR", "symbols": currency})
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise LookupError(currency)
        rate = answer.raise_for_status().json()["rates"][currency]
        return round(cents * Decimal(str(rate)))
