"""Targets of checkpoints, so that no single administrator controls them all: folder, Kafka topic, mail (封存去处)."""

import smtplib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from shared.audit import merkle
from shared.audit.checkpoint import BadNote, Checkpoint, Note, PublicKey, Shown
from shared.audit.merkle import HASH, TILE
from shared.audit.tree import Signed, Tree
from shared.process.config import Config
from shared.process.files import put_once, replace
from shared.process.mail import message

SMTP_SECONDS = 3.0
"""Timeout of the mail server in seconds."""

Send = Callable[[Tree, Signed], None]
"""Delivers a checkpoint. Raises OSError, BrokerUnavailable or OutsideDiffers."""


class OutsideDiffers(Exception):
    """The copy outside holds other content: the database's tree or the copy was changed."""


def targets(config: Config, service: str) -> Mapping[str, Send]:
    """The targets of a service's checkpoints, by name."""
    folder = folder_of(config, service)
    found: dict[str, Send] = {f"folder {folder.resolve()}": partial(copy_outside, folder)}
    if config.kafka:
        found["kafka"] = partial(_publish, config, service)
    if config.seal_mail_to:
        found["mail"] = partial(_mail, config, service)
    return found


def folder_of(config: Config, service: str) -> Path:
    """The folder of a service's copy outside the database."""
    return (config.seal_folder or config.data / "checkpoints") / service


# --- a folder --------------------------------------------------------------------------------------------


def copy_outside(folder: Path, tree: Tree, signed: Signed) -> None:
    """Add a checkpoint and the tiles that it stands on to a folder, which only grows (C2SP tlog-tiles).

    Raises OSError; OutsideDiffers where something else stands there.
    """
    checkpoint = Checkpoint.parse(Note.parse(signed.note).text)
    for number, key in enumerate(tree.keys(), 1):
        _keep(folder / "keys" / f"{number:06d}.vkey", f"{key}\n".encode())
    for level, width in enumerate(merkle.tile_widths(checkpoint.size)):
        start = width // TILE
        while start and not (folder / merkle.tile_path(level, start - 1)).exists():
            start -= 1
        needed = (width + TILE - 1) // TILE
        for tile in tree.tiles(level, max(0, start - 1)):  # the last one that exists may have grown
            if tile.index >= needed:
                break
            part = tile.hashes[: (width - tile.index * TILE) * HASH]
            _keep(folder / merkle.tile_path(level, tile.index, len(part) // HASH), part)
    _keep(folder / "checkpoints" / f"{signed.id:09d}-{signed.size}.note", signed.note.encode(), sync=True)
    replace(folder / "checkpoint", signed.note.encode(), mode=0o666)


def _keep(path: Path, content: bytes, *, sync: bool = False) -> None:
    """Write a file once. Raises OutsideDiffers if it holds other content."""
    if not path.exists():
        put_once(path, content, mode=0o666, sync=sync)  # the process's umask decides: auditors are to read it
    if path.read_bytes() != content:
        raise OutsideDiffers(f"{path} holds something else than the database")


class Outside:
    """A folder as ``copy_outside`` wrote it, read back."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def notes(self) -> list[Shown]:
        """The checkpoints in order; an undecodable one is verified as unreadable."""
        return [
            Shown(path.name, path.read_bytes().decode("utf-8", "replace"))
            for path in sorted((self.folder / "checkpoints").glob("*.note"))
        ]

    def first_key(self) -> PublicKey | None:
        """The first public key. Raises BadNote."""
        path = self.folder / "keys" / "000001.vkey"
        return PublicKey.parse(path.read_text("utf-8", "replace")) if path.exists() else None

    def size(self) -> int:
        """The number of leaves: the largest readable checkpoint's size."""
        sizes = [0]
        for shown in self.notes():
            try:
                sizes.append(Checkpoint.parse(Note.parse(shown.note).text).size)
            except BadNote:
                continue  # reported by the verification of the notes
        return max(sizes)

    def tile(self, level: int, index: int) -> bytes | None:
        """The fullest version of a tile."""
        whole = self.folder / merkle.tile_path(level, index)
        if whole.exists():
            return whole.read_bytes()
        found = max(_partial(whole.with_name(whole.name + ".p")), key=lambda one: int(one.name), default=None)
        return None if found is None else found.read_bytes()


def _partial(folder: Path) -> Iterator[Path]:
    return (path for path in folder.glob("*") if path.name.isdecimal())


# --- a topic ---------------------------------------------------------------------------------------------


def _publish(config: Config, service: str, tree: Tree, signed: Signed) -> None:
    from shared.messaging.transport.kafka.publisher import publish_checkpoint

    publish_checkpoint(config, service, signed.size, signed.note)


# --- mail ------------------------------------------------------------------------------------------------


def _mail(config: Config, service: str, tree: Tree, signed: Signed) -> None:
    sender = f"seal@{config.seal_origin.partition('/')[0]}"
    mail = message(
        {
            "From": f"duban <{sender}>",
            "To": config.seal_mail_to.replace(",", ", "),
            "Subject": f"督办日志检查点 duban checkpoint: {service} {signed.size}",
        },
        "请保存这封邮件：下面的检查点能证明此前的日志此后未被改动。\n"
        "Please keep this mail: the checkpoint below proves that the log before it has not been changed since.\n\n"
        f"{signed.note}",
    )
    host, _, port = config.smtp.rpartition(":")
    with smtplib.SMTP(host, int(port), timeout=SMTP_SECONDS) as server:
        server.sendmail(sender, config.seal_mail_to.split(","), mail)
