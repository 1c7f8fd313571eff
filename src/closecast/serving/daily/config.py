"""The settings of the daily job: one TOML file, checked before anything is done."""

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from closecast.errors import SettingError
from closecast.market.calendar import AUTO
from closecast.serving.shelf import default_shelf

T = TypeVar("T")

EXAMPLE = Path(__file__).parent / "example.toml"
"""What ``closecast daily --init`` writes."""

OWN_SHELF = "default"
"""Names the shelf that ``closecast shelf`` uses unless told otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """Where new bars come from.

    Attributes:
        vendor: ``yahoo``, ``naver``, ``krx`` or ``ccxt:EXCHANGE``.
        symbols: As the vendor writes them.
        store: Folder of the store; by default that of this user.
    """

    vendor: str
    symbols: tuple[str, ...]
    store: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Whom to tell by a POST of JSON.

    Attributes:
        url: Where to.
        timeout_s: Seconds for one attempt.
        tries: Attempts, each after twice the wait.
    """

    url: str
    timeout_s: float = 10.0
    tries: int = 4

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise SettingError(
                f"Expected url to begin with https:// or http://, got {self.url!r} "
                "([webhook]). Write the whole address."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """Whom to tell by e-mail.

    Attributes:
        host: Server that takes mail.
        to: Addresses.
        sender: Address that it comes from.
        port: Its port.
        user: Name to log in with; none logs in nobody.
        password_env: Environment variable that holds the password.
        starttls: Whether the connection is encrypted before anything is said.
        timeout_s: Seconds for an answer.
        tries: Attempts, each after twice the wait.
    """

    host: str
    to: tuple[str, ...]
    sender: str
    port: int = 587
    user: str = ""
    password_env: str = "CLOSECAST_MAIL_PASSWORD"  # noqa: S105  a variable's name
    starttls: bool = True
    timeout_s: float = 20.0
    tries: int = 4

    def __post_init__(self) -> None:
        if self.user and not self.starttls:
            raise SettingError(
                "Expected starttls with a user, got starttls = false ([mail]). A "
                "password is not sent in the clear: leave user out or encrypt."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """When ``--watch`` runs the job.

    Attributes:
        delay_minutes: After the close of a session.
        retry_minutes: After a run that failed or found no new bar.
    """

    delay_minutes: float = 30.0
    retry_minutes: float = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyConfig:
    """Everything that the daily job is told.

    Attributes:
        model: A folder that ``closecast train`` wrote; None for a shelf.
        shelf: A model shelf, whose promoted version forecasts, looked up anew by every
            run; None for a model of its own.
        prices: A file, a folder, ``store:AAPL,MSFT``, ``store:`` or ``sample``.
        home: Folder of the ledger, the page and the lock.
        ledger: A file of SQLite or ``postgresql://...``; by default in ``home``.
        calendar: Exchange whose closes say what is late; ``auto`` recognises it.
        language: Of the page and the notices: ``en`` or ``ko``.
        notice: File that the newest notice is written to; "" writes none.
        pull: Where new bars come from; None reads ``prices`` as they are.
        webhook: Whom to tell by a POST of JSON.
        mail: Whom to tell by e-mail.
        watch: When ``--watch`` runs the job.
    """

    prices: str
    home: Path
    ledger: str
    model: Path | None = None
    shelf: Path | None = None
    calendar: str = AUTO
    language: str = "en"
    notice: str = ""
    pull: Pull | None = None
    webhook: Webhook | None = None
    mail: Mail | None = None
    watch: Watch = Watch()

    def __post_init__(self) -> None:
        if (self.model is None) == (self.shelf is None):
            got = "neither" if self.model is None else "both"
            raise SettingError(
                f"Expected either model or shelf, got {got}. Write model = "
                '"FOLDER" for a model of its own, or shelf = "default" for the version '
                "that closecast shelf has promoted."
            )


PARTS: dict[str, type[Any]] = {
    "pull": Pull, "webhook": Webhook, "mail": Mail, "watch": Watch,
}  # fmt: skip
"""Tables of the file."""

_POSITIVE = ("timeout_s", "tries", "delay_minutes", "retry_minutes", "port")


def read_config(path: Path) -> DailyConfig:
    """Read and check a file of settings.

    Args:
        path: The file. Paths in it count from its folder.

    Returns:
        The settings.

    Raises:
        SettingError: The file cannot be read, a key is unknown or missing, or a value
            is of another kind.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingError(
            f"Expected a TOML file of settings, got none that can be read ({path}: "
            f"{error}). Write one: closecast daily {path} --init."
        ) from error
    return config_of(content, path)


def config_of(content: Mapping[str, Any], path: Path) -> DailyConfig:
    """Check settings.

    Args:
        content: What the file says.
        path: The file.

    Returns:
        The settings, every path absolute.

    Raises:
        SettingError: A key is unknown or missing, or a value is of another kind.
    """
    place = path.parent.resolve()
    parts = {
        name: _made(PARTS[name], table, f"{path}, [{name}]")
        for name, table in content.items()
        if name in PARTS
    }
    plain = {name: value for name, value in content.items() if name not in PARTS}
    home = str(plain.get("home", "daily"))
    plain = {"home": home, "ledger": str(Path(home) / "ledger.sqlite"), **plain}
    _require_known(DailyConfig, plain, str(path))
    for name in ("model", "shelf", "home", "ledger", "prices", "notice"):
        if isinstance(plain.get(name), str):
            plain[name] = _placed(name, plain[name], place)
    return _made(DailyConfig, {**plain, **parts}, str(path))


def _placed(name: str, value: str, place: Path) -> str | Path:
    # paths count from the file's folder; URLs, the store and the sample are no paths
    if name == "shelf" and value == OWN_SHELF:
        return default_shelf()
    if name in {"model", "shelf", "home"}:
        return place / value
    if not value or value == "sample" or value.startswith("store:") or "://" in value:
        return value
    return str(place / value)


def _made(kind: type[T], values: object, place: str) -> T:
    if not isinstance(values, Mapping):
        raise SettingError(
            f"Expected a table, got {values!r} ({place}). Write [pull] on a line of "
            "its own, with a key a line below it."
        )
    _require_known(kind, values, place)
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    missing = [
        name
        for name, field in known.items()
        if field.default is MISSING and name not in values
    ]
    if missing:
        raise SettingError(
            f"Expected a value for {missing[0]}, got none ({place}). Add a line "
            f"{missing[0]} = ..."
        )
    made = {
        name: _value(name, known[name].type, value, place)
        for name, value in values.items()
    }
    return kind(**made)


def _require_known(kind: type[Any], values: Mapping[str, Any], place: str) -> None:
    known = [field.name for field in fields(kind)]
    for name in values:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.0)[0]
            raise SettingError(
                f"Expected a known setting, got {name!r} ({place}). Did you mean "
                f"{near!r}?"
            )


def _value(name: str, kind: Any, value: Any, place: str) -> Any:  # noqa: ANN401
    if isinstance(value, list) and kind == tuple[str, ...]:
        value = tuple(value)
    if kind is float and type(value) is int:
        value = float(value)
    words: dict[Any, tuple[str, Any]] = {
        str: ("text", isinstance(value, str)),
        Path: ("text", isinstance(value, Path)),
        Path | None: ("text", isinstance(value, Path)),
        bool: ("true or false", isinstance(value, bool)),
        int: ("a whole number", type(value) is int),
        float: ("a number", isinstance(value, float)),
        tuple[str, ...]: (
            "a list of texts",
            isinstance(value, tuple) and value and all(type(v) is str for v in value),
        ),
    }
    what, fits = words.get(kind, ("", True))
    if fits and name in _POSITIVE and value <= 0:
        what, fits = "above 0", False
    if not fits:
        raise SettingError(
            f"Expected {name} to be {what}, got {value!r} ({place}). Write it so."
        )
    return value
