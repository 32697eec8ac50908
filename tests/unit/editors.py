"""An editor at work: it asks pyright's language server what could stand where the cursor is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

SERVER = "from pyright.langserver import main; import sys; sys.exit(main('--stdio'))"
CAPABLE = {
    "textDocument": {
        "completion": {"completionItem": {"documentationFormat": ["plaintext"]}},
        "signatureHelp": {"signatureInformation": {"documentationFormat": ["plaintext"]}},
    }
}


class Editor:
    """Speaks the language server protocol with its own server, over a user's ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0

    def __enter__(self) -> Self:
        self._server = subprocess.Popen(
            [sys.executable, "-c", SERVER],
            cwd=self._folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        root = self._folder.as_uri()
        folders = [{"uri": root, "name": "user"}]
        self._ask("initialize", processId=None, rootUri=root, workspaceFolders=folders, capabilities=CAPABLE)
        self._say("initialized", {})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ask("shutdown")
        self._say("exit", {})
        assert self._server.stdin
        self._server.stdin.close()
        self._server.wait(30)
        assert self._server.stdout
        self._server.stdout.close()

    def completed(self, source: str) -> list[str]:
        """Return the keyword arguments that are offered at the end of ``source``."""
        found = self._at_the_end("textDocument/completion", source)
        items = found["items"] if isinstance(found, dict) else found or []
        return [item["label"] for item in items if item["label"].endswith("=")]

    def signature(self, source: str) -> str:
        """Return the documentation that is shown beside the signature at the end of ``source``."""
        found = self._at_the_end("textDocument/signatureHelp", source)
        return json.dumps(found)

    def _at_the_end(self, method: str, source: str) -> Any:
        uri = (self._folder / f"typed_{self._number}.py").as_uri()
        *before, last = source.split("\n")
        document = {"uri": uri, "languageId": "python", "version": 1, "text": f"{source})\n"}
        self._say("textDocument/didOpen", {"textDocument": document})
        position = {"line": len(before), "character": len(last)}
        return self._ask(method, textDocument={"uri": uri}, position=position)

    def _ask(self, method: str, **params: Any) -> Any:
        self._number += 1
        self._write(id=self._number, method=method, params=params)
        while True:
            message = self._read()
            if "method" not in message and message.get("id") == self._number:
                return message.get("result")
            if "method" in message and "id" in message:
                # The server asks for its configuration, which is in the folder.
                wanted = message.get("params", {}).get("items", [])
                self._write(id=message["id"], result=[{} for _ in wanted])

    def _say(self, method: str, params: Any) -> None:
        self._write(method=method, params=params)

    def _write(self, **message: Any) -> None:
        text = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._server.stdin
        self._server.stdin.write(b"Content-Length: %d\r\n\r\n" % len(text) + text)
        self._server.stdin.flush()

    def _read(self) -> Any:
        assert self._server.stdout
        size = 0
        while header := self._server.stdout.readline().strip():
            if header.lower().startswith(b"content-length:"):
                size = int(header.partition(b":")[2])
        return json.loads(self._server.stdout.read(size))
