"""How commands are listed, and how expected errors end: one clear line."""

from __future__ import annotations

import errno
import sys
from typing import Any

import click

from ..schemas.errors import MotionpipeError

_UNUSABLE = (errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR)
"""What an operating system says of a disk or folder that the user has to mend."""


class DataOrderGroup(click.Group):
    """Lists the commands in the order that data takes, and turns expected errors into one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names as they were added."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Exit 1 with one line for an expected error, 130 for an interrupt."""
        try:
            return super().invoke(ctx)
        except MotionpipeError as error:
            raise click.ClickException(str(error)) from error
        except OSError as error:
            if error.errno not in _UNUSABLE:
                raise
            raise click.ClickException(f"{error.filename or 'the store'}: {error.strerror}") from error
        except KeyboardInterrupt:
            click.echo("interrupted; the same command goes on from here", err=True)
            sys.exit(130)
