"""``tollway cache purge``: a running gateway forgets stored answers, on every worker and machine."""

import os

import click

from ..wire.values import Json, JsonObject
from .admin_client import DRY_RUN, URL, YES, AdminClient, connected
from .chat import find_admin
from .config import CONFIG_OPTION
from .printed import OUTPUT, confirm


@click.command()
@click.option("--key", "-k", metavar="HEX", help="The one answer: 64 digits, as in x-tollway-cache-key.")
@click.option("--account", "-a", metavar="ACCOUNT", help="Answers of this account, by id or name.")
@click.option("--model", "-m", metavar="MODEL", help="Answers to requests for this public model name.")
@click.option("--tag", "-t", metavar="TAG", help="Answers to requests with this tag in x-tollway-tags.")
@click.option("--all", "everything", is_flag=True, help="Every answer.")
@click.option("--url", metavar="URL", help=f"The gateway. Default: {URL}, then the listener of the configuration.")
@CONFIG_OPTION
@YES
@DRY_RUN
@OUTPUT
def purge(
    key: str | None,
    account: str | None,
    model: str | None,
    tag: str | None,
    everything: bool,
    url: str | None,
    path: str | None,
    yes: bool,
    dry_run: bool,
    output: str,
) -> None:
    """Forget stored answers of a running gateway: those that agree with every option given, or --all.

    The admin key is taken from TOLLWAY_ADMIN_KEY. Where the store is shared, or each machine has its own, all of them forget within a second.
    """
    body = _body(everything, key=key, account=account, model=model, tag=tag)
    with connected(_gateway(url, path), None, output) as admin:
        if dry_run:
            from ..admin.asked import CachePurge

            admin.rehearse("POST", "/cache/purge", body, CachePurge)
            return
        if everything:
            confirm("Forget every stored answer?", yes=yes)
        _show(admin, admin.change("POST", "/cache/purge", body))


def _body(everything: bool, **options: str | None) -> JsonObject:
    """What is asked for. Raises ``click.UsageError`` unless it is either something or everything."""
    narrowed: dict[str, Json] = {name: value for name, value in options.items() if value}
    if any(value == "" for value in options.values()):
        raise click.UsageError("An empty text names nothing; leave the option out, or give --all.")
    if everything and narrowed:
        raise click.UsageError(f"--all forgets everything: leave out --{next(iter(narrowed))}, or --all.")
    if not everything and not narrowed:
        raise click.UsageError("Say what to forget: --key, --account, --model, --tag, or --all.")
    return {"all": True} if everything else narrowed


def _gateway(url: str | None, path: str | None) -> str:
    """The address of the running gateway that is meant."""
    if url is not None and path is not None:
        raise click.UsageError("--url and --config both name the gateway; give one of them.")
    return url or (os.environ.get(URL) if path is None else None) or find_admin(path)


def _show(admin: AdminClient, done: JsonObject) -> None:
    if admin.output != "table":
        admin.value(done)
        return
    count = done.get("forgotten")
    if done.get("everywhere") is not True:
        said = (
            "Forgotten here, and not yet everywhere: where the shared store is down, other processes forget as soon as it is back; "
            "where workers share no state, each keeps its own answers until they expire or it is restarted."
        )
    elif count is None:
        said = "Forgotten; how many answers there were is not known, because they are dropped when they are met."
    else:
        said = f"{count} {'answer' if count == 1 else 'answers'} forgotten."
    click.echo(said)
