"""An outside test: families of Google Fonts that no Debian package has, and nobody chose anything by."""
