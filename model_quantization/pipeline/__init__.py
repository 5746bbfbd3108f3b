"""One model from file to verdict; `stages` is the page to read first.

`batch` runs many models.
"""
