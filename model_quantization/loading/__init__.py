"""Files of others, opened safely: `pickles` reads them, `sandbox` confines whoever does.

What is loaded becomes data in `estimators`; what the child is asked for lives in
`pipeline.child`.
"""
