"""The command line: it translates words into calls, and nothing more. Heavy imports stay inside the commands."""

from __future__ import annotations

import click

from .. import __version__
from . import cli_data, cli_learn, cli_store
from .data_order_group import DataOrderGroup


@click.group(cls=DataOrderGroup, context_settings={"max_content_width": 110, "help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Folders of videos, RGB and depth, to learned motion representations.

    \b
    videos > shard > flow > codebook > train-cluster > embed > classify > report
    """


for command in (
    cli_data.shard,
    cli_data.flow,
    cli_data.codebook,
    cli_data.compare_codebooks,
    cli_learn.train_cluster,
    cli_learn.embed,
    cli_learn.classify,
    cli_learn.predict,
    cli_learn.evaluate,
    cli_data.pack,
    cli_store.report,
    cli_store.status,
    cli_store.verify,
    cli_store.trace,
    cli_store.rejects,
    cli_store.demo,
):
    main.add_command(command)

if __name__ == "__main__":
    main()
