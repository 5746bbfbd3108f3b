"""`report.html`: one release on one page, which loads no other file.

`document.py` puts it together from `template.html`, `style.html` and `script.html`. `figures.py`,
`breakdown.py` and `trend.py` draw with what `drawing.py`, `marks.py` and `placing.py` give them;
`evidence.py` and `next_step.py` say what is known of one model and what to do; `publication.py`
records the history and writes the file.
"""
