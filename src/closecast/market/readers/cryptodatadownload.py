"""CryptoDataDownload: an address above the header, a volume in each currency.

The volume of the traded coin is the volume; that of the money is left out.
"""

from closecast.market.readers.format import Format, Head, Lines, normal

_PREFIX = "volume_"


def _volumes(header: list[str]) -> list[str]:
    names = [normal(name) for name in header]
    return [name.removeprefix(_PREFIX) for name in names if name.startswith(_PREFIX)]


def _coin(head: Head) -> str | None:
    # The one currency that the symbol of the first bar begins with.
    names = [normal(name) for name in head[0]]
    if "symbol" not in names or len(head) == 1 or len(head[1]) != len(names):
        return None
    symbol = head[1][names.index("symbol")].strip().lower()
    coins = [coin for coin in _volumes(head[0]) if symbol.startswith(coin)]
    return coins[0] if len(coins) == 1 else None


def _sniff(head: Head) -> bool:
    return len(_volumes(head[0])) > 1 and _coin(head) is not None


def _named(lines: Lines) -> Lines:
    (at, header), *rest = lines
    coin = _coin([header, *(cells for _, cells in rest[:1])])
    names = ["Volume" if normal(n) == f"{_PREFIX}{coin}" else n for n in header]
    return [(at, names), *rest]


CRYPTODATADOWNLOAD = Format(
    name="CryptoDataDownload", sniff=_sniff, reshape=_named, decimal="."
)
