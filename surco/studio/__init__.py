"""The studio: a local web page on the codec, to hear a song at every size and to play with its vector.

A Starlette server (`app`), worker processes that code and measure (`line`, `work`), songs in a private
temporary folder (`sessions`), and a page of plain ES modules (`static/`). It needs no queue and no other
server; what shows a running stack comes from outside, through `surco.studio.app.Extension`.
"""
