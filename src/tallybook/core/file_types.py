"""What a file is by its first bytes, whatever its sender calls it. Pure."""

from __future__ import annotations

FILE = "application/octet-stream"
# Only these are shown as pictures; whatever else a sender calls its file is a file.
SHOWN_TYPES = ("image/jpeg", "image/png", "image/webp")
# A browser's own players take these; they run nothing.
PLAYED_TYPES = ("audio/ogg", "audio/mpeg", "audio/mp4", "audio/aac", "audio/amr", "video/mp4", "video/3gpp")
HEAD = 16  # bytes that tell
_INSIDE = 8  # where the name of a RIFF's or a box's content stands
# The same bytes say a sound or a picture that moves; which of them is the sender's word to say.
_EITHER = {"video/mp4": "audio/mp4", "video/3gpp": "audio/mp4"}


def type_of(content: bytes) -> str:
    """What a file is by its first bytes; FILE for all that is not known."""
    if content.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if content.startswith(b"RIFF") and content[_INSIDE : _INSIDE + 4] == b"WEBP":
        return "image/webp"
    if content.startswith(b"%PDF-"):
        return "application/pdf"
    if content[4:8] == b"ftyp":
        return "video/3gpp" if content[_INSIDE : _INSIDE + 2] == b"3g" else "video/mp4"
    return _sound_of(content)


def _sound_of(content: bytes) -> str:
    if content.startswith(b"OggS"):
        return "audio/ogg"
    if content.startswith(b"#!AMR"):
        return "audio/amr"
    if content[:2] in {b"\xff\xf1", b"\xff\xf9"}:
        return "audio/aac"
    return "audio/mpeg" if content.startswith(b"ID3") or content[:2] in {b"\xff\xfb", b"\xff\xf3"} else FILE


def checked_type(content: bytes, told: str) -> str:
    """The type under which a file may be handed out: by its content, and a sound only where ``told`` says so."""
    found = type_of(content)
    if found in _EITHER and told.partition("/")[0] == "audio":
        return _EITHER[found]
    return found


def is_inline(kind: str) -> bool:
    """Whether a file of this checked type may be shown by itself; any other is only handed out to be put away."""
    return kind in SHOWN_TYPES or kind in PLAYED_TYPES
