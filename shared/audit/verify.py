#!/usr/bin/env python3
"""核验督办日志的导出 Verify an export of duban's event logs: one file, Python 3.7 or newer, no network.

用法 Usage, in the exported folder:    python3 verify.py [--key PUBLICKEY]...

What an export holds, and what is checked here, in this order:
1. manifest.json names every file with its SHA-256. manifest.note signs the manifest's own hash.
2. <service>/keys.json: the public keys. Each one but the first must have been named by the one before it, in a
   checkpoint that the one before it signed. Whether the *first* one is right, this program cannot know: compare it
   with the one that you hold on paper, or pass that one with --key.
3. <service>/checkpoints/*.note: "at this time the log had so many events and this root", signed with Ed25519.
4. <service>/tile/0/…: the hash of every event, 32 bytes each, also of those whose content is not in this export.
   From them every checkpoint's root must come out (a Merkle tree as in RFC 9162).
5. <service>/events.ndjson: the events. The hash of each one must be the one that stands at its place:
   SHA-256(0x00 ‖ "duban-leaf-v1\\n" ‖ aggregate id (16 bytes) ‖ version (8) ‖ length of topic (2) ‖ topic ‖ state)
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import sys
import uuid
from pathlib import Path
from typing import Any, Tuple

FAULTS: list[str] = []


def say(zh: str, en: str) -> None:
    """One line in both languages."""
    print(f"{zh}\n    {en}")


def fault(zh: str, en: str) -> None:
    """Something does not hold."""
    FAULTS.append(en)
    say(f"【不符】{zh}", f"DOES NOT HOLD: {en}")


# --- Ed25519 (RFC 8032 §5.1): is this signature that key's over this text? -----------------------------------

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493  # the order of the base point
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_1 = pow(2, (P - 1) // 4, P)
Point = Tuple[int, int, int, int]  # x = X/Z, y = Y/Z, x·y = T/Z


def add(a: Point, b: Point) -> Point:
    """The sum of two points of the curve."""
    e, f = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    c, d = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    h, i, j, k = f - e, d - c, d + c, f + e
    return h * i % P, j * k % P, i * j % P, h * k % P


def times(number: int, point: Point) -> Point:
    """``number`` times a point."""
    total: Point = (0, 1, 1, 0)
    while number:
        if number & 1:
            total = add(total, point)
        point, number = add(point, point), number >> 1
    return total


def same(a: Point, b: Point) -> bool:
    """Whether two points are one."""
    return (a[0] * b[2] - b[0] * a[2]) % P == 0 and (a[1] * b[2] - b[1] * a[2]) % P == 0


def point_of(encoded: bytes) -> Point:
    """The point that 32 bytes stand for. Raises ValueError."""
    y = int.from_bytes(encoded, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    if y >= P:
        raise ValueError
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_1 % P
    if (x * x - square) % P or (x == 0 and sign):
        raise ValueError
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


BASE = point_of((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def signed_by(key: bytes, text: bytes, signature: bytes) -> bool:
    """Whether the signature (64 bytes) is that of the public key (32 bytes) over the text."""
    try:
        a, r = point_of(key), point_of(signature[:32])
    except ValueError:
        return False
    s = int.from_bytes(signature[32:], "little")
    h = int.from_bytes(hashlib.sha512(signature[:32] + key + text).digest(), "little") % L
    return len(signature) == 64 and s < L and same(times(s, BASE), add(r, times(h, a)))


# --- signed notes: a text, an empty line, "— name base64(key id, signature)" ----------------------------------


def key_of(vkey: str) -> tuple[str, bytes, bytes]:
    """Name, key id and the key itself of a public key as it is written. Raises ValueError."""
    name, key_id, encoded = vkey.strip().split("+", 2)
    raw = base64.b64decode(encoded, validate=True)
    right = hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4]
    if len(raw) != 33 or raw[:1] != b"\x01" or right.hex() != key_id:
        raise ValueError("not a public key")
    return name, right, raw[1:]


def signer_of(note: str, vkeys: list[str]) -> tuple[str, str | None]:
    """The note's text, and the one of ``vkeys`` that has signed it. Raises ValueError."""
    text, _, signature = note.rpartition("\n\n")
    mark, by, encoded = signature.split(" ")
    raw = base64.b64decode(encoded[:-1], validate=True)
    if mark != "—" or base64.b64encode(raw).decode() + "\n" != encoded:
        raise ValueError("not a note with one signature")
    for vkey in vkeys:
        name, key_id, key = key_of(vkey)
        if by == name and raw[:4] == key_id and signed_by(key, (text + "\n").encode(), raw[4:]):
            return text + "\n", vkey
    return text + "\n", None


# --- the Merkle tree (RFC 9162 §2.1) -------------------------------------------------------------------------


def leaf_hash(event: dict[str, Any]) -> bytes:
    """The hash of an event. Raises an error for what is no event."""
    topic, state = event["topic"].encode(), event["state"].encode("utf-8", "surrogateescape")
    version, size = event["version"].to_bytes(8, "big"), len(topic).to_bytes(2, "big")
    leaf = b"duban-leaf-v1\n" + uuid.UUID(event["aggregate_id"]).bytes + version + size + topic + state
    return hashlib.sha256(b"\x00" + leaf).digest()


def roots_of(hashes: list[bytes], sizes: set[int]) -> dict[int, bytes]:
    """The roots of the tree's first 1, 2, 3, … leaves, for the sizes that are asked for."""
    roots = {0: hashlib.sha256(b"").digest()}
    peaks: list[tuple[int, bytes]] = []  # the roots of complete subtrees, with their leaves
    for count, one in enumerate(hashes, 1):
        peaks.append((1, one))
        while len(peaks) > 1 and peaks[-1][0] == peaks[-2][0]:
            (size, right), (_, left) = peaks.pop(), peaks.pop()
            peaks.append((2 * size, hashlib.sha256(b"\x01" + left + right).digest()))
        if count in sizes:
            root = peaks[-1][1]
            for _, left in reversed(peaks[:-1]):
                root = hashlib.sha256(b"\x01" + left + root).digest()
            roots[count] = root
    return roots


# --- the export ----------------------------------------------------------------------------------------------


def check_files(folder: Path, manifest: dict[str, Any]) -> None:
    """Every file is there as the manifest has it, and no other."""
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    for name, wanted in sorted(manifest["files"].items()):
        if name not in there:
            fault(f"缺少文件 {name}", f"the file {name} is missing")
        elif hashlib.sha256((folder / name).read_bytes()).hexdigest() != wanted:
            fault(f"文件 {name} 被改动", f"the file {name} was edited")
    for name in sorted(there - set(manifest["files"]) - {"manifest.json", "manifest.note"}):
        fault(f"文件 {name} 不属于这份导出", f"the file {name} is no part of this export")


def trusted_keys(origin: str, listed: list[str], notes: dict[str, str], given: list[str]) -> list[str]:
    """The keys that follow from the first one; the first is the one given with --key, if there is one for this log."""
    own = [vkey for vkey in given if key_of(vkey)[0] == origin]
    keys = own[:1] or listed[:1]
    if own and own[0] != listed[0]:
        fault(
            f"{origin}：首个公钥不是您手中的那个", f"{origin}: its first public key is not the one you hold"
        )
    for _, note in sorted(notes.items()):
        text, signer = signer_of(note, keys[-1:])
        following = [line.partition(" ")[2] for line in text.splitlines() if line.startswith("next-key ")]
        if signer and following:
            keys.append(following[0])
    if keys != listed:
        fault(f"{origin}：公钥不是逐一移交的", f"{origin}: the public keys do not follow from each other")
    return keys


def check_service(folder: Path, name: str, claims: dict[str, Any], given: list[str]) -> str:
    """One service's keys, checkpoints, hashes and events; its last key."""
    origin, size = claims["origin"], claims["size"]
    notes = {path.name: path.read_bytes().decode() for path in (folder / "checkpoints").glob("*.note")}
    listed = [one["vkey"] for one in json.loads((folder / "keys.json").read_bytes())]
    keys = trusted_keys(origin, listed, notes, given)
    tiles = [path for path in (folder / "tile" / "0").rglob("*") if path.is_file()]
    raw = b"".join(path.read_bytes() for path in sorted(tiles, key=lambda path: (len(path.parts), path)))
    hashes = [raw[at : at + 32] for at in range(0, len(raw), 32)]
    if len(hashes) != size:
        fault(
            f"{name}：应有 {size} 个散列，实有 {len(hashes)} 个", f"{name}: {len(hashes)} hashes, not {size}"
        )
    roots = roots_of(hashes, {int(note.splitlines()[1]) for note in notes.values()})
    last = 0
    for file, note in sorted(notes.items()):
        text, signer = signer_of(note, keys)
        says, count, root = text.splitlines()[:3]
        if says != origin or signer is None:
            fault(f"{name}：检查点 {file} 没有有效签名", f"{name}: nobody known has signed checkpoint {file}")
        elif base64.b64encode(roots.get(int(count), b"")).decode() != root:
            fault(f"{name}：检查点 {file} 与散列不符", f"{name}: the hashes do not lead to checkpoint {file}")
        else:
            last = max(last, int(count))
    if last != size:
        fault(
            f"{name}：检查点只到第 {last} 条", f"{name}: checkpoints vouch for the first {last} events only"
        )
    shown = check_events(folder / "events.ndjson", name, hashes)
    if shown != claims["events"]:
        fault(f"{name}：实有 {shown} 条事件，与清单不符", f"{name}: {shown} events, not {claims['events']}")
    for index in claims["mismatches"]:
        fault(f"{name}：导出时第 {index} 叶已被改动", f"{name}: leaf {index} was not as sealed when exported")
    say(
        f"{name}：{size} 条事件，{len(notes)} 个检查点，{len(keys)} 个公钥；{shown} 条有内容，其余只有散列",
        f"{name}: {size} events, {len(notes)} checkpoints, {len(keys)} keys; {shown} with content, else hashes",
    )
    return keys[-1]


def check_events(path: Path, name: str, hashes: list[bytes]) -> int:
    """Every event's hash stands at its place, and each aggregate's versions rise; how many there are."""
    shown, before = 0, -1
    versions: dict[str, int] = {}
    for number, line in enumerate(path.read_bytes().decode().split("\n")[:-1], 1):
        try:
            event = json.loads(line)
            index, aggregate, version = event["index"], event["aggregate_id"], event["version"]
            right = before < index < len(hashes) and leaf_hash(event) == hashes[index]
            right = right and version > versions.get(aggregate, 0)
            before, versions[aggregate] = index, version
        except (KeyError, TypeError, ValueError, OverflowError):
            right = False
        shown += 1
        if not right:
            fault(
                f"{name}：第 {number} 行不是所封存的事件",
                f"{name}: line {number} is not the event that was sealed",
            )
    return shown


def main() -> int:
    """Check the folder that this file stands in; 0 if everything holds, else 1."""
    options = argparse.ArgumentParser(description="核验督办日志的导出 Verify an export of duban's event logs")
    options.add_argument(
        "--key", action="append", default=[], help="您手中的首个公钥 the first public key that you hold"
    )
    given, folder, last = options.parse_args().key, Path(__file__).resolve().parent, []
    try:
        names = {key_of(vkey)[0] for vkey in given}
    except ValueError:
        options.error("--key: 不是公钥 not a public key: name+id+base64")
    try:
        written = (folder / "manifest.json").read_bytes()
        manifest = json.loads(written)
        check_files(folder, manifest)
        for name, claims in manifest["services"].items():
            last.append(check_service(folder / name, name, claims, given))
        for name in names - {claims["origin"] for claims in manifest["services"].values()}:
            fault(f"没有 {name} 的日志", f"a key was given for {name}, whose log is not in this export")
        text, signer = signer_of((folder / "manifest.note").read_bytes().decode(), last[:1])
        if not any(claims["size"] for claims in manifest["services"].values()):
            fault("导出中没有任何事件，未核验任何内容", "the export holds no event: nothing was verified")
        if signer is None or text != f"duban-export\n{hashlib.sha256(written).hexdigest()}\n":
            fault("清单 manifest.json 没有有效签名", "the manifest is not the one that was signed")
    except (OSError, KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError) as error:
        fault(f"导出不完整或被改动：{error!r}", f"the export is incomplete or was edited: {error!r}")
    if FAULTS:
        say(f"结论：有 {len(FAULTS)} 处不符。", f"{len(FAULTS)} things do not hold.")
        return 1
    if not given:
        say(
            "注意：请把各服务 keys.json 中的首个公钥与您手中（纸面）的核对，或用 --key 给出。",
            "Note: compare the first key in each keys.json with the one you hold on paper, or pass that with --key.",
        )
    say(
        "结论：全部相符：封存之后没有一条事件被改动、删除、调换或混入。",
        "Everything holds: since it was sealed no event was changed, removed, exchanged or slipped in.",
    )
    return 0


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    sys.exit(main())
