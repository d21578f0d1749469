#!/usr/bin/env python3
"""Prints what the library or the command is made of, as CycloneDX 1.5: the crates that are linked in, with versions,
licences and the checksums of Cargo.lock. The same sources give the same bytes.

usage: scripts/sbom.py TARGET PACKAGE
       TARGET is Rust's name of a platform, such as x86_64-unknown-linux-gnu; PACKAGE is vixen or vixen-cli
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]

# Names of our own, so that the number of a document follows from its content.
NAMESPACE = uuid.UUID("6f0e0f1c-6f55-5b3a-9a0e-3a7c7b3f1f52")


def metadata(target: str) -> dict[str, Any]:
    command = ["cargo", "metadata", "--format-version=1", "--locked", "--offline", f"--filter-platform={target}"]
    answer: dict[str, Any] = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)
    return answer


def tree(target: str, name: str) -> set[tuple[str, str]]:
    """Names and versions of what is linked into a package that is built alone. The resolution in `cargo metadata` is
    that of the whole workspace with its tests, whose features bring more."""
    command = ["cargo", "tree", "-p", name, "--locked", "--offline", "--edges=normal,no-proc-macro", "--prefix=none"]
    command += [f"--target={target}", "--format={p}"]
    lines = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    return {(words[0], words[1].removeprefix("v")) for words in map(str.split, lines) if words}


def linked(data: dict[str, Any], root: str, parts: set[tuple[str, str]]) -> dict[str, list[str]]:
    """The packages that are part of the library, by id, each with those that it uses: not what only builds it."""
    nodes = {node["id"]: node for node in data["resolve"]["nodes"]}
    inside = {package["id"] for package in data["packages"] if (package["name"], package["version"]) in parts}
    found: dict[str, list[str]] = {}
    waiting = [root]
    while waiting:
        package = waiting.pop()
        if package in found:
            continue
        uses = [
            dependency["pkg"]
            for dependency in nodes[package]["deps"]
            if any(kind["kind"] is None for kind in dependency["dep_kinds"]) and dependency["pkg"] in inside
        ]
        found[package] = sorted(uses)
        waiting.extend(uses)
    return found


def checksums() -> dict[tuple[str, str], str]:
    lock = (ROOT / "Cargo.lock").read_text()
    entry = re.compile(r'name = "([^"]+)"\nversion = "([^"]+)"\nsource = "[^"]+"\nchecksum = "([0-9a-f]{64})"')
    return {(name, version): checksum for name, version, checksum in entry.findall(lock)}


def purl(package: dict[str, Any]) -> str:
    return f"pkg:cargo/{package['name']}@{package['version']}"


def component(package: dict[str, Any], checksum: str | None) -> dict[str, Any]:
    described: dict[str, Any] = {
        "type": "library",
        "bom-ref": purl(package),
        "name": package["name"],
        "version": package["version"],
        "purl": purl(package),
    }
    if package["license"]:
        # Older manifests write a slash for "or".
        described["licenses"] = [{"expression": re.sub(r"\s*/\s*", " OR ", package["license"])}]
    if checksum:
        described["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    return described


def document(target: str, name: str) -> dict[str, Any]:
    data = metadata(target)
    packages = {package["id"]: package for package in data["packages"]}
    root = next(package["id"] for package in data["packages"] if package["name"] == name)
    uses = linked(data, root, tree(target, name))
    known = checksums()
    parts = sorted((packages[part] for part in uses if part != root), key=purl)
    bom: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": component(packages[root], None)},
        "components": [component(part, known.get((part["name"], part["version"]))) for part in parts],
        "dependencies": [
            {"ref": purl(packages[package]), "dependsOn": [purl(packages[used]) for used in uses[package]]}
            for package in sorted(uses, key=lambda each: purl(packages[each]))
        ],
    }
    bom["serialNumber"] = f"urn:uuid:{uuid.uuid5(NAMESPACE, json.dumps(bom, sort_keys=True))}"
    return bom


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    json.dump(document(sys.argv[1], sys.argv[2]), sys.stdout, indent=2)
    print()
