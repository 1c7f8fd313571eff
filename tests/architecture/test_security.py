"""What the page on security promises, asked of the source."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import closecast

ROOT = Path(closecast.__file__).parent
DOCS = Path(__file__).parents[2] / "docs"

CLIENTS = {"requests", "urllib3", "httpx", "aiohttp", "smtplib", "ftplib", "socket"}
CLIENT_MODULES = {"urllib.request", "http.client"}
CONNECTING = {
    "cluster/session.py",  # asks whether a port of its own is free
    "market/vendors/http.py",
    "serving/api/server.py",  # binds the port that it serves
    "serving/daily/notify.py",
}
"""The only files that open a connection or a port."""

UNSAFE_CALLS = {
    "os.system", "os.popen", "tempfile.mktemp", "os.tempnam", "commands.getoutput",
    "subprocess.getoutput", "subprocess.getstatusoutput", "yaml.unsafe_load",
    "yaml.full_load", "ssl._create_unverified_context", "np.loadtxt",
}  # fmt: skip
SEED = re.compile(r"CLOSECAST_[A-Z_]*[A-Z]|KRX_ID|KRX_PW|RAY_AUTH_TOKEN(?:_PATH)?")


def sources() -> Iterator[tuple[str, ast.Module]]:
    """Give every module of the package, parsed."""
    for path in sorted(ROOT.rglob("*.py")):
        yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text())


def unsafe_lines(tree: ast.AST) -> list[int]:
    """Find calls that start a shell, trust no certificate or guess a name of a file."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and (
            ast.unparse(node.func) in UNSAFE_CALLS
            or any(_is_unsafe(keyword) for keyword in node.keywords)
        )
    ]


def _is_unsafe(keyword: ast.keyword) -> bool:
    value = getattr(keyword.value, "value", None)
    return (keyword.arg == "shell" and value is not False) or (
        keyword.arg in {"verify", "check_hostname"} and value is False
    )


def clients_in(tree: ast.AST) -> set[str]:
    """Name the modules that a file imports to open a connection."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {node.module or ""}
        else:
            continue
        found |= {n for n in names if n.split(".")[0] in CLIENTS}
        found |= names & CLIENT_MODULES
    return found


def test_no_shell_is_started_and_no_certificate_waved_through():
    """A name of a file is never a word of a command line."""
    unsafe = [
        f"{name}:{line}" for name, tree in sources() for line in unsafe_lines(tree)
    ]

    assert unsafe == []


@pytest.mark.parametrize(
    "source",
    [
        "subprocess.run('ls', shell=True)",
        "subprocess.Popen(command, shell=asked)",
        "os.system('ls')",
        "requests.get(address, verify=False)",
        "tempfile.mktemp()",
    ],
)
def test_a_planted_shell_is_found(source: str):
    """The search above finds what it looks for."""
    assert unsafe_lines(ast.parse(source)) == [1]


def test_only_named_files_open_connections():
    """The API takes no address and opens none: there is nothing to forge (SSRF)."""
    found = {name for name, tree in sources() if clients_in(tree)}

    assert found == CONNECTING
    assert clients_in(ast.parse("from urllib.request import urlopen"))
    assert clients_in(ast.parse("import requests.adapters"))
    assert not clients_in(ast.parse("from urllib.parse import quote"))


@pytest.mark.parametrize("page", ["security.md", "security.ko.md"])
def test_every_variable_of_the_environment_is_on_the_page(page: str):
    """Whoever runs closecast can know all that it reads from the environment."""
    told = set(SEED.findall((DOCS / page).read_text(encoding="utf-8")))
    read = {
        found
        for _, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for found in [node.value]
        if SEED.fullmatch(found)
    }

    assert len(read) > 5
    assert read - told == set()


@pytest.mark.parametrize("page", ["security.md", "security.ko.md"])
def test_the_proofs_on_the_page_are_there(page: str):
    """Each test and script that the page names can be run."""
    text = (DOCS / page).read_text(encoding="utf-8")
    named = re.findall(r"`((?:tests|benchmarks|scripts)/[\w/.]+)`", text)

    assert len(named) > 8
    missing = [one for one in named if not (DOCS.parent / one).exists()]
    assert missing == []
