"""Documents whose text can be seen but not copied: what their fonts show becomes what their text says.

A PDF sets text by codes of fonts; what characters these stand for it may say or not (ISO 32000-1, 9.10).
`repair` looks at what every code draws, reads each font's glyphs together and the text around them, and
writes down what is missing. The libraries that read PDFs run in a process of their own with limits.
"""
