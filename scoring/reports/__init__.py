"""What people and programs read of scores: lines, a summary, Markdown, pages.

Every report takes one font's score after another and holds none of them, so that what it needs does
not grow with the number of fonts' glyphs; it stands in its place when it is closed, whole, or not at all.
"""
