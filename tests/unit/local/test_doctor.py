"""`python -m local doctor` says whether files and secrets can be written and read where they are."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from tests.fakes.azure_blob import Container, new_container
from tests.fakes.azurite import Azurite

ROOT = Path(__file__).resolve().parents[3]


async def doctor(home: Path, **environ: str) -> tuple[int | None, dict[str, str]]:
    """Its exit code, and what it says of each subject."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "local", "doctor", cwd=ROOT, stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PRAXOS_HOME": str(home), "PRAXOS_PORT": "0", **environ},
    )  # fmt: skip
    said, _ = await process.communicate()
    lines = [line.split(maxsplit=2) for line in said.decode().splitlines()]
    return process.returncode, {subject: f"{mark} {text}" for mark, subject, text in lines}


async def test_a_folder_has_both(tmp_path: Path) -> None:
    code, found = await doctor(tmp_path)
    assert code == 0
    assert found["files"] == "ok written and read (PRAXOS_FILES=local)"
    assert found["secrets"] == "ok written and read (PRAXOS_SECRETS=file)"


async def test_a_container_has_to_be_there(tmp_path: Path, azurite: Azurite) -> None:
    def environ(container: Container) -> dict[str, str]:
        return {
            "PRAXOS_FILES": "azure_blob",
            "PRAXOS_BLOB_CONNECTION_STRING": container.connection_string,
            "PRAXOS_BLOB_CONTAINER": container.name,
        }

    code, found = await doctor(tmp_path, **environ(await new_container(azurite)))
    assert (code, found["files"]) == (0, "ok written and read (PRAXOS_FILES=azure_blob)")
    code, found = await doctor(tmp_path, **environ(Container(azurite.connection_string, "not-there")))
    assert code == 1
    assert found["files"].startswith("fix PRAXOS_BLOB_CONTAINER: there is no container 'not-there'")


async def test_a_setting_that_is_missing_is_named(tmp_path: Path) -> None:
    code, found = await doctor(tmp_path, PRAXOS_SECRETS="key_vault", PRAXOS_FILES="azure_blob")
    assert code == 1
    assert found["files"].startswith("fix PRAXOS_BLOB_ACCOUNT_URL is missing")
    assert found["secrets"].startswith("fix PRAXOS_KEY_VAULT_URL is missing")
