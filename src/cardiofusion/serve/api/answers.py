"""JSON as the HTTP API sends it."""

from __future__ import annotations

import json
from typing import Any

from fastapi.responses import JSONResponse


class AsciiJSON(JSONResponse):
    """In ASCII: a row or a file may hold half a surrogate pair, which JSON can say and UTF-8 cannot."""

    def render(self, content: Any) -> bytes:
        """A document as bytes. Raises ValueError for a number that is not finite."""
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")
