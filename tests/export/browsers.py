"""Node and Chromium, for tests of the living page."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
BROWSE = """
import { chromium } from %(playwright)s;
const browser = await chromium.launch({ executablePath: %(chromium)s, args: %(flags)s });
const page = await browser.newPage({ viewport: { width: %(width)d, height: 900 }, colorScheme: %(scheme)s });
const problems = [];
page.on("pageerror", (error) => problems.push(error.message));
page.on("console", (message) => problems.push(message.text()));
page.on("request", (request) => /^(file|data):/.test(request.url()) || problems.push(request.url()));
const settled = () => page.waitForSelector('#page[aria-busy="false"]', { timeout: 120000 });
await page.goto(%(url)s);
await settled();
const found = await (async () => { %(code)s })();
await browser.close();
console.log(JSON.stringify({ found, problems }));
"""


def in_node(code: str) -> Any:
    """Return what an ES module prints as JSON; the page's own modules are next to it."""
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    for file in resources.files("lstmctl.export").iterdir():
        if file.name.endswith(".js"):
            Path(file.name).write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    Path("package.json").write_text('{"type": "module"}', encoding="utf-8")
    Path("test.mjs").write_text(code, encoding="utf-8")
    return _printed()


def in_chromium(page: Path, code: str, *, width: int = 1280, scheme: str = "light") -> Any:
    """Open a page from its file, and return what `code` returns; errors of the page and requests fail the test.

    `code` may use Playwright's `page`, and `settled()`, which waits until the page has nothing left to compute.
    """
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    folder = Path(os.environ.get("PLAYWRIGHT_CORE", ROOT / ".venv/browser/node_modules/playwright-core"))
    if shutil.which("node") is None or chromium is None:
        pytest.skip("node or chromium is not installed")
    if not folder.is_dir():
        pytest.skip("playwright-core is not installed: make browser")
    values = {
        "playwright": json.dumps((folder / "index.mjs").as_uri()),
        "chromium": json.dumps(chromium),
        "flags": json.dumps(FLAGS),
        "width": width,
        "scheme": json.dumps(scheme),
        "url": json.dumps(page.resolve().as_uri()),
        "code": code,
    }
    Path("test.mjs").write_text(BROWSE % values, encoding="utf-8")
    told = _printed()
    assert not told["problems"], told["problems"]
    return told["found"]


def _printed() -> Any:
    done = subprocess.run(["node", "test.mjs"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
