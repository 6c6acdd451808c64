"""The doctor's page as people see it: well, ill and never asked, wide and narrow, in both languages."""

from __future__ import annotations

from playwright.async_api import expect

from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tests import world
from tests.web.browser import LOOKS, OpenTab, looks, seen_as
from tests.web.test_doctor_page import sick


async def test_it_reads_well_in_every_view_and_says_when_it_is_at_it(
    open_tab: OpenTab, root: world.Someone, business: Business, db: Database
) -> None:
    seen = False
    for name in looks("hebrew phone dark", LOOKS):
        tab = await open_tab(root, **seen_as(name))
        if not seen:
            await tab.go("/doctor")
            assert await tab.violations() == []
            await tab.keep("doctor-never")
            await tab.page.click(".examine button")
            await expect(tab.page.locator(".examine [role=status]")).to_be_visible()
            async with db.transaction() as conn:
                await conn.execute(b"update jobs set state = 'done', done_at = now() where kind = 'doctor.examine'")
            await sick(db)
            await expect(tab.page.locator(".finding")).to_have_count(1)
            seen = True
        await tab.go("/doctor")
        for summary in await tab.page.locator(".doctor summary").all():
            await summary.click()
        assert await tab.violations() == [], name
        # What is drawn only when it comes into view would move what somebody reads.
        drawn = await tab.page.locator(".proof").evaluate_all(
            "all => all.map(one => getComputedStyle(one).contentVisibility)"
        )
        assert set(drawn) == {"visible"}
        assert await tab.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), name
        await tab.keep(f"doctor-{name}", whole=True)
