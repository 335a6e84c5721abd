"""The account's balance, without fees or payouts."""

from local_stack.stripe_sandbox.endpoints import Context, Endpoint
from local_stack.stripe_sandbox.errors import JsonObject

_MOVEMENTS = (
    ("charge", 1, "json_extract(body, '$.status') = 'succeeded'"),
    ("refund", -1, "json_extract(body, '$.status') = 'succeeded'"),
    ("dispute", -1, "json_extract(body, '$.status') <> 'won' and json_extract(body, '$.status') not like 'warning%'"),
)


def _balance(context: Context, _: JsonObject, __: str) -> JsonObject:
    """What was charged less what was refunded or is held by disputes."""
    sums: dict[str, int] = {}
    for kind, sign, condition in _MOVEMENTS:
        rows = context.store.connection.execute(
            "select json_extract(body, '$.currency') as currency, sum(json_extract(body, '$.amount')) as total "  # noqa: S608 - own text only
            f"from objects where kind = ? and {condition} group by 1",
            (kind,),
        )
        for row in rows:
            sums[row["currency"]] = sums.get(row["currency"], 0) + sign * row["total"]
    available = [
        {"amount": total, "currency": currency, "source_types": {"card": total}} for currency, total in sums.items()
    ]
    return {"object": "balance", "available": available, "livemode": False, "pending": []}


ENDPOINTS = (Endpoint("GET", "/v1/balance", _balance),)
