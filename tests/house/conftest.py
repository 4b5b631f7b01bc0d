"""A browser, for the pages that have scripts."""
import shutil

import pytest


@pytest.fixture(scope="module")
def browser():
    """Start Chromium without a window, if it and its driver are installed."""
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
