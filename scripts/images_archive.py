"""Image archives without an engine: layers, and an OCI layout that containerd, Docker and skopeo all read.

Owns the bytes: the same content gives the same digest, whoever packs it, where and when. Knows nothing of what an
image of Kith has in it; that is `scripts/images`.
"""

import gzip
import hashlib
import io
import json
import tarfile
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

# VFS_CAP_REVISION_2 of linux/capability.h: permitted, not effective, so that a container without the capability starts
# the program all the same, and the program can say what is missing.
_CAP_REVISION_2 = 0x02000000


def file_capability(bit: int) -> str:
    """The value of `security.capability` that permits one capability below 32."""
    words = [_CAP_REVISION_2, 1 << bit, 0, 0, 0]
    return b"".join(word.to_bytes(4, "little") for word in words).decode("ascii")


@dataclass
class Entry:
    """A file of a layer; everything in it belongs to root and is written by nobody."""

    content: bytes
    mode: int = 0o444
    capability: str | None = None


@dataclass
class Layer:
    """Files by their path in the image, the step that put them there, and folders with nothing in them."""

    made_by: str
    entries: dict[str, Entry] = field(default_factory=dict)
    empty: set[str] = field(default_factory=set)

    def add(self, path: str, entry: Entry) -> None:
        """Adds a file. The folders above it come by themselves."""
        self.entries[path.lstrip("/")] = entry

    def tar(self, time: int) -> bytes:
        """The layer, sorted, with one time for everything."""
        buffer = io.BytesIO()
        folders = {str(parent) for path in self.entries for parent in PurePosixPath(path).parents}
        folders = folders - {"."} | self.empty
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for path in sorted(folders | self.entries.keys()):
                info = tarfile.TarInfo(path)
                info.mtime = time
                entry = self.entries.get(path)
                if entry is None:
                    info.type, info.mode = tarfile.DIRTYPE, 0o755
                    archive.addfile(info)
                    continue
                info.size, info.mode = len(entry.content), entry.mode
                if entry.capability:
                    info.pax_headers = {"SCHILY.xattr.security.capability": entry.capability}
                archive.addfile(info, io.BytesIO(entry.content))
        return buffer.getvalue()


@dataclass
class Image:
    """An image: its name, its layers from the bottom up, and how it starts."""

    reference: str
    architecture: str
    created: str
    config: dict
    layers: list[Layer]


class _Blobs:
    """The content of an archive, by digest."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def add(self, content: bytes, media_type: str) -> dict:
        digest = hashlib.sha256(content).hexdigest()
        self.files[f"blobs/sha256/{digest}"] = content
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}


def write(image: Image, time: int, path: Path) -> str:
    """Writes the archive, and returns the digest of the image's manifest: the one that a registry would show."""
    blobs = _Blobs()
    tars = [layer.tar(time) for layer in image.layers]
    kind = "application/vnd.oci.image"
    layers = [blobs.add(gzip.compress(tar, mtime=0), f"{kind}.layer.v1.tar+gzip") for tar in tars]
    config = blobs.add(_json(_config(image, tars)), f"{kind}.config.v1+json")
    manifest_type = f"{kind}.manifest.v1+json"
    manifest = {"schemaVersion": 2, "mediaType": manifest_type, "config": config, "layers": layers}
    named = blobs.add(_json(manifest), manifest_type) | {
        "platform": {"architecture": image.architecture, "os": "linux"},
        "annotations": {
            # containerd takes the first for the name, skopeo the second.
            "io.containerd.image.name": image.reference,
            "org.opencontainers.image.ref.name": image.reference.rpartition(":")[2],
        },
    }
    index = {"schemaVersion": 2, "mediaType": f"{kind}.index.v1+json", "manifests": [named]}
    # What `docker load` reads; the others pass it over.
    docker = [{"Config": _path(config), "RepoTags": [image.reference], "Layers": [_path(layer) for layer in layers]}]
    files = blobs.files | {
        "oci-layout": _json({"imageLayoutVersion": "1.0.0"}),
        "index.json": _json(index),
        "manifest.json": _json(docker),
    }
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted(files):
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.mtime = len(files[name]), 0o444, time
            archive.addfile(info, io.BytesIO(files[name]))
    return named["digest"]


def _config(image: Image, tars: list[bytes]) -> dict:
    return {
        "created": image.created,
        "architecture": image.architecture,
        "os": "linux",
        "config": image.config,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(tar).hexdigest()}" for tar in tars]},
        "history": [{"created": image.created, "created_by": layer.made_by} for layer in image.layers],
    }


def _path(descriptor: dict) -> str:
    return "blobs/sha256/" + descriptor["digest"].removeprefix("sha256:")


def _json(value: object) -> bytes:
    return json.dumps(value, indent=1, sort_keys=True).encode()
