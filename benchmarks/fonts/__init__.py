"""Does scoring find what is wrong with a font? Faults put into published fonts, and FAILs in clean ones."""
