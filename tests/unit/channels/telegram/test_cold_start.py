"""What answers a webhook loads nothing that only sending needs."""

import subprocess
import sys

SCRIPT = """
import sys
from datetime import UTC, datetime
from shared.channels.telegram.addressing import Bot
from shared.channels.telegram.mapping import Reader
import shared.channels.telegram.adapter

body = b'{"update_id":1,"message":{"message_id":1,"date":1,"chat":{"id":7,"type":"private"},"from":{"id":7},"text":"Hi"}}'
(event,) = Reader(tenant="main", bot=Bot(account="1")).read(body, received_at=datetime.now(UTC)).events
assert event.text == "Hi", event
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def test_the_webhook_loads_no_http_client_and_no_markdown():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert not {"aiohttp", "markdown_it", "telegram", "langchain_core", "yarl"} & set(done.stdout.split())
