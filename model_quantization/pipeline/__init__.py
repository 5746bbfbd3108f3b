"""One model from file to verdict; `stages` is the page to read first.

Many models are the business of `batch`.
"""
