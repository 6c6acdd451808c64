"""A bridge at work, as a process of its own: tells a story, one commit each, until it is told to stop.

``python -m tests.proof.posting_bridge FOLDER SEED PAUSE`` works until its standard input closes, then prints how many
posts it has stored. It never waits for a reader longer than the bridge's own five seconds.
"""

from __future__ import annotations

import select
import sys
from pathlib import Path

from tests.channels.bridge.bridge_file import BridgeFile
from tests.proof.story import story


def main(folder: str, seed: str, pause: str) -> None:
    done = 0
    with BridgeFile(Path(folder)) as bridge:
        print("ready", flush=True)
        for post in story(int(seed)):
            bridge.post(post.chat, post.text, id=post.id, sender=post.sender, at=post.at)
            done += 1
            if select.select([sys.stdin], [], [], float(pause))[0]:
                break
    print(done, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
