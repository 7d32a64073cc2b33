"""What a user does on the listening page, for more than one test."""


def cell(page, row: int, column: str):
    return page.locator(f'.grid button[data-row="{row}"][data-column="{column}"]')


def playing(page) -> None:
    page.wait_for_function("surco.player.playing")
