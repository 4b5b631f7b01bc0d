"""A browser for the tests of pages."""
import shutil

import pytest


@pytest.fixture(scope="session")
def browser():
    """Return a Chromium without a window, driven by Selenium; skip if one of them is missing."""
    webdriver = pytest.importorskip("selenium.webdriver")
    program = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("no Chromium with its driver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for switch in ("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run",
                   "disable-background-networking", "disable-component-update", "disable-sync"):
        options.add_argument(f"--{switch}")
    options.add_argument("--window-size=1200,1600")
    browser = webdriver.Chrome(options, webdriver.ChromeService(driver))
    yield browser
    browser.quit()


@pytest.fixture
def before_pages(browser):
    """Return a function: its script runs before those of the pages that the browser opens next."""
    added = []

    def run(source):
        command = "Page.addScriptToEvaluateOnNewDocument"
        added.append(browser.execute_cdp_cmd(command, {"source": source}))

    yield run
    for script in added:
        browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)
